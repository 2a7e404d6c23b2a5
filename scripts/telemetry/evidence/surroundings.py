"""The surroundings in which people run stripepy, as data: whole and ordinary ones, not a grid.

Each variable is one that the named system sets for what it starts; the values are made up, and
those that could tell something begin with Zqx.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from telemetry.evidence.planted import NAMES


@dataclass(frozen=True)
class Surrounding:
    """Where a run is made.

    Attributes:
        environment: What is set there.
        terminal: Whether input and output are a terminal.
        prefix: Words before `stripepy`.
    """

    environment: Mapping[str, str]
    terminal: bool = False
    prefix: tuple[str, ...] = ()


SURROUNDINGS: Mapping[str, Surrounding] = {
    "a terminal, in German, east of UTC": Surrounding(
        {
            "COLORTERM": "truecolor",
            "COLUMNS": "211",
            "DISPLAY": ":0",
            "EDITOR": "ZqxEditor",
            "LANG": "de_DE.UTF-8",
            "LC_ALL": "de_DE.UTF-8",
            "LINES": "57",
            "SHELL": "/bin/zsh",
            "TERM": "xterm-256color",
            "TERM_PROGRAM": "ZqxTerminal",
            "TZ": "NZST-12NZDT",
            "WINDOWID": "123457",
            "XDG_SESSION_TYPE": "wayland",
        },
        terminal=True,
    ),
    "a login node over ssh, west of UTC": Surrounding(
        {
            "LOADEDMODULES": "ZqxModule/1.2.3",
            "MODULEPATH": "/ZqxModules",
            "SSH_AUTH_SOCK": "/tmp/ZqxAgent",
            "SSH_CLIENT": "198.51.100.7 50022 22",
            "SSH_CONNECTION": "198.51.100.7 50022 198.51.100.8 22",
            "SSH_TTY": "/dev/pts/7",
            "STY": "12345.ZqxScreen",
            "TERM": "screen",
            "TMUX": "/tmp/ZqxTmux,123,0",
            "TZ": "PST8PDT",
        },
        terminal=True,
    ),
    "a job of Slurm, PBS, LSF or Grid Engine, on one core": Surrounding(
        {
            "SLURMD_NODENAME": NAMES.host,
            "SLURM_ARRAY_TASK_ID": "7",
            "SLURM_CLUSTER_NAME": "ZqxCluster",
            "SLURM_CPUS_PER_TASK": "1",
            "SLURM_JOB_ACCOUNT": "ZqxAccount",
            "SLURM_JOB_ID": "1234577",
            "SLURM_JOB_NAME": "ZqxJob",
            "SLURM_JOB_NODELIST": NAMES.host,
            "SLURM_JOB_PARTITION": "ZqxPartition",
            "SLURM_JOB_USER": NAMES.user,
            "SLURM_PROCID": "0",
            "SLURM_SUBMIT_DIR": "/ZqxSubmit",
            "SLURM_SUBMIT_HOST": "ZqxLogin",
            "JOB_ID": "1234577",
            "LSB_HOSTS": NAMES.host,
            "LSB_JOBID": "1234577",
            "LSB_JOBNAME": "ZqxJob",
            "LSB_QUEUE": "ZqxQueue",
            "NCPUS": "1",
            "PBS_JOBID": f"1234577.{NAMES.host}",
            "PBS_JOBNAME": "ZqxJob",
            "PBS_NODEFILE": "/ZqxNodes",
            "PBS_O_HOST": "ZqxLogin",
            "PBS_O_LOGNAME": NAMES.user,
            "PBS_O_WORKDIR": "/ZqxSubmit",
            "PBS_QUEUE": "ZqxQueue",
            "QUEUE": "ZqxQueue",
            "SGE_O_HOST": "ZqxLogin",
        },
        prefix=("taskset", "-c", "0"),
    ),
    "a container in a CI service": Surrounding(
        {
            "APPTAINER_CONTAINER": "/ZqxImage.sif",
            "APPTAINER_NAME": "ZqxImage.sif",
            "BUILD_NUMBER": "123457",
            "CI": "true",
            "CI_JOB_ID": "1234577",
            "CI_PROJECT_PATH": "ZqxGroup/ZqxProject",
            "GITHUB_ACTIONS": "true",
            "GITHUB_ACTOR": NAMES.user,
            "GITHUB_REPOSITORY": "ZqxOwner/ZqxRepository",
            "GITHUB_TOKEN": "ZqxToken",
            "GITLAB_CI": "true",
            "JENKINS_URL": "https://zqx.example/",
            "KUBERNETES_PORT": "tcp://198.51.100.1:443",
            "KUBERNETES_SERVICE_HOST": "198.51.100.1",
            "RUNNER_NAME": "ZqxRunner",
            "SINGULARITY_CONTAINER": "/ZqxImage.sif",
            "SINGULARITY_NAME": "ZqxImage.sif",
            "TRAVIS": "true",
            "container": "docker",
        }
    ),
    "a traced task of a workflow, in a conda environment or a notebook": Surrounding(
        {
            "BAGGAGE": "zqx=ZqxBaggage",
            "CONDA_DEFAULT_ENV": "ZqxEnvironment",
            "CONDA_PREFIX": "/ZqxConda",
            "CONDA_SHLVL": "1",
            "GALAXY_SLOTS": "1",
            "GALAXY_JOB_ID": "ZqxJob",
            "JPY_PARENT_PID": "123457",
            "JPY_SESSION_NAME": "/ZqxNotebook.ipynb",
            "NXF_ASSETS": "/ZqxAssets",
            "NXF_TASK_WORKDIR": "/ZqxTask",
            "SNAKEMAKE_PROFILE": "ZqxProfile",
            "TRACEPARENT": "00-5a717874726163650000000000000001-5a71787370616e01-01",
            "TRACESTATE": "zqx=ZqxState",
            "VIRTUAL_ENV": "/ZqxVirtual",
        }
    ),
}
