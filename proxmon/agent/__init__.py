"""The agent that runs on a hypervisor: standard library only, Python 3.9 and later."""
