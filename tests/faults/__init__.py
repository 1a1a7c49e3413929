"""What must survive: killed workers, an emptied Redis, many tills at once, a rush of callbacks: `make faults`."""
