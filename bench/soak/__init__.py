"""Hours of load with everything going wrong around it: `make soak ARGS="--minutes 60"`."""
