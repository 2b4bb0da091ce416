"""Appointments: what is booked, free times by capacity, what must be told, who is credited with a visit."""
