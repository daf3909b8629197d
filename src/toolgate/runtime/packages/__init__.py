"""Programs that package runners (`npx`, `uvx`) would download: installed once, then run from what was installed."""
