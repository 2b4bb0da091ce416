"""Numbers, working time, calls, agents, queues and the ports to a telephone switch."""
