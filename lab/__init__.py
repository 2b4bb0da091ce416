"""The simulated outside world: public network, customers, agents, faults. It imports nothing of Careline."""

from __future__ import annotations

from lab.agents import Agent, Habits
from lab.counts import CallRecord, Counts, Key, read_records
from lab.customers import Customer, HangUp, Listen, Person, Press, Speak, Stay, Visit, script
from lab.network import LabBinary, NetworkFailed, Phone, Trunk
from lab.world import Lab, Placed

__all__ = [
    "Agent",
    "CallRecord",
    "Counts",
    "Customer",
    "Habits",
    "HangUp",
    "Key",
    "Lab",
    "LabBinary",
    "Listen",
    "NetworkFailed",
    "Person",
    "Phone",
    "Placed",
    "Press",
    "Speak",
    "Stay",
    "Trunk",
    "Visit",
    "read_records",
    "script",
]
