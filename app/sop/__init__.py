"""Guide SOPs: playbooks, their timed steps, and the tasks guides have because of them."""
