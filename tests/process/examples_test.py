"""The example programs do what they say."""

import os
import shutil
import subprocess

import grid_fixture


def run_program(grid, words, place):
    environment = dict(os.environ)
    environment.pop("JUXMEM_GRID", None)
    if place:
        environment["JUXMEM_GRID"] = place
    environment.update(OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1")
    done = subprocess.run([str(word) for word in words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          env=environment, timeout=grid_fixture.LIMIT_S)
    assert done.returncode == 0, f"{words}: exit code {done.returncode}\n{done.stdout}"
    return done.stdout


def hello_is_heard_by_the_next(grid):
    hello = grid.bin_dir / "hello"
    assert "found" not in run_program(grid, [hello, "one"], grid.uri)
    assert "found:   one" in run_program(grid, [hello, "two"], grid.uri)
    found = run_program(grid, [hello, "three"], None)
    assert "found:   two" in found, "without a name, the daemon on this machine is found"


def hello_needs_no_grid(grid):
    os.environ["JUXMEM_RUN_DIR"] = str(grid.dir / "empty")
    assert "written: alone" in run_program(grid, [grid.bin_dir / "hello", "alone"], None)
    os.environ["JUXMEM_RUN_DIR"] = str(grid.run_dir)


def ranks_count_together(grid):
    program = grid.bin_dir / "counter_mpi"
    if not program.exists() or shutil.which("mpirun") is None:
        print("(no MPI) ", end="")
        return
    command = ["mpirun", "--oversubscribe", "-n", 3, program, 20]
    assert "the counter is at 60" in run_program(grid, command, grid.uri)
    assert "the counter is at 120" in run_program(grid, command, grid.uri)


grid_fixture.run([hello_is_heard_by_the_next, hello_needs_no_grid, ranks_count_together], sites="here:1")
