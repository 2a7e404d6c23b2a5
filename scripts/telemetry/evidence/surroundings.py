"""The surroundings in which people run stripepy, as data: complete and ordinary ones, not a grid.

Each variable is one that the system in question sets for the programs that it starts. The values
are made up; those that could give something away begin with Zqx.
"""

import shlex
from collections.abc import Mapping
from functools import partial

from telemetry.evidence.planted import NAMES, PLANTED
from telemetry.records.runs import Run

MAIL = PLANTED["an e-mail address in a file of settings"]

EACH_WORD = """unset COLUMNS HOME HOSTNAME LC_ALL LOGNAME TZ USER
for word; do
  case $word in /*) ;; *) [ -e "$word" ] && word=$PWD/$word ;; esac
  set -- "$@" "$word"
  shift
done
exec "$@"
"""
WHOLE_PATHS = ("sh", "-c", EACH_WORD, "sh")
SHELL = ("bash", "-c", '"$@"; exit "$?"', "bash")
PAGER = ("bash", "-c", 'set -o pipefail; "$@" | cat', "bash")
PIPES = ("bash", "-c", 'set -o pipefail; : | "$@" 2>&1 | cat', "bash")
STARTS: Mapping[tuple[str, ...], str] = {
    WHOLE_PATHS: "full paths on the command line; no COLUMNS, HOME, HOSTNAME, LC_ALL, LOGNAME, TZ"
    " and USER",
    SHELL: "a shell that waits for the command",
    PAGER: "output through a pipe, as to a pager",
    PIPES: "pipes for input and output",
}
"""How a command is started, in words."""

_where = partial(Run, "", ())

SURROUNDINGS: Mapping[str, Run] = {
    "at a German-language terminal east of UTC": _where(
        environment={
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
        home_files={
            ".bash_history": "ZqxHistory\n",
            ".condarc": "channels: [ZqxChannel]\n",
            ".gitconfig": f"[user]\n\tname = {NAMES.person}\n\temail = {MAIL}@zqx.example\n",
            ".ssh/config": "Host ZqxHost\n",
        },
        prefix=SHELL,
        terminal=True,
    ),
    "on a login node west of UTC with a full home folder": _where(
        environment={
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
        prefix=PAGER,
        terminal=True,
        full=("home",),
    ),
    "in a one-core batch job with a read-only home folder": _where(
        environment={
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
        prefix=("nice", "prlimit", "--cpu=86400", "--as=64000000000", "taskset", "-c", "0"),
        read_only=("home",),
    ),
    "in a CI container with another user ID": _where(
        environment={
            "APPTAINER_CONTAINER": "/ZqxImage.sif",
            "APPTAINER_NAME": "ZqxImage.sif",
            "AWS_REGION": "ZqxCloudRegion",
            "AZURE_CLIENT_ID": "ZqxClient",
            "BUILD_NUMBER": "123457",
            "CI": "true",
            "CI_JOB_ID": "1234577",
            "CI_PROJECT_PATH": "ZqxGroup/ZqxProject",
            "GITHUB_ACTIONS": "true",
            "GITHUB_ACTOR": NAMES.user,
            "GITHUB_REPOSITORY": "ZqxOwner/ZqxRepository",
            "GITHUB_TOKEN": "ZqxToken",
            "GITLAB_CI": "true",
            "GOOGLE_CLOUD_PROJECT": "ZqxCloud",
            "JENKINS_URL": "https://zqx.example/",
            "KUBERNETES_PORT": "tcp://198.51.100.1:443",
            "KUBERNETES_SERVICE_HOST": "198.51.100.1",
            "RUNNER_NAME": "ZqxRunner",
            "SINGULARITY_CONTAINER": "/ZqxImage.sif",
            "SINGULARITY_NAME": "ZqxImage.sif",
            "TRAVIS": "true",
            "container": "docker",
        },
        prefix=PIPES,
        user=12345,
        markers=(
            "/.dockerenv",
            "/.singularity.d/runscript",
            "/run/.containerenv",
            "/run/secrets/kubernetes.io/serviceaccount/token",
        ),
    ),
    "in a traced workflow task in a conda environment": _where(
        environment={
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
        },
        prefix=WHOLE_PATHS,
    ),
}


def others(where: Run) -> list[str]:
    """Return what else makes up a surrounding besides its variables, in words."""
    made_of = {
        "a terminal": where.terminal,
        "a full home folder": where.full,
        "a read-only home folder": where.read_only,
        f"the user ID {where.user}": where.user is not None,
        STARTS.get(where.prefix, f"started with `{shlex.join(where.prefix)}`"): where.prefix,
    }
    paths = (*where.markers, *(f"~/{name}" for name in where.home_files))
    files = [f"the file `{path}`" for path in paths]
    return [*(words for words, there in made_of.items() if there), *files]
