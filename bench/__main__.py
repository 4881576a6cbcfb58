"""`python -m depthwire.bench` is `depthwire-bench`."""

from depthwire.bench.cli import main

if __name__ == "__main__":
    main(prog_name="depthwire-bench")
