"""The hosts that a sandboxed server may reach, by name: `egress.Egress`. `model.grant` says how they are written."""
