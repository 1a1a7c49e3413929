# Aliases: on a machine without make, `python3 -m dev TASK` is the same.
.PHONY: run stop restart-workers test story bench bench-identity bench-coupons faults live flask lint types contracts migrations-check lock clean
run stop restart-workers test story bench bench-identity bench-coupons faults live flask lint types contracts migrations-check lock clean:
	@python3 -m dev $@ $(ARGS)
