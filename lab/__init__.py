"""The simulated outside world: public network, customers, agents, faults."""
