#!/usr/bin/env bash
# A Slurm of one node on the loopback interface, for tests, as root: one_node_slurm.sh start | stop
# Debian: apt-get install slurm-wlm munge. Works in a container without systemd and cgroups. The configuration must be
# at /etc/slurm/slurm.conf, as jobs look nowhere else; one that this script did not write is left alone.
set -euo pipefail

MARK="# written by one_node_slurm.sh"
CONF=/etc/slurm/slurm.conf
STATE=${ONE_NODE_SLURM_STATE:-/tmp/one-node-slurm}
PROGRAMS=(munged slurmctld slurmd squeue)

fail() { echo "one_node_slurm.sh: $1" >&2; exit 3; }

write_conf() {
    [ ! -e "$CONF" ] || grep -qxF "$MARK" "$CONF" || fail "$CONF is somebody's: remove it, or run elsewhere"
    mkdir -p /etc/slurm "$STATE/state" "$STATE/spool"
    cat > "$CONF" <<CONF
$MARK
ClusterName=loopback
SlurmctldHost=$(hostname -s)(127.0.0.1)
SlurmUser=root
AuthType=auth/munge
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SlurmdParameters=config_overrides
ReturnToService=2
MinJobAge=600
SlurmdTimeout=60
KillWait=5
MailProg=/bin/true
StateSaveLocation=$STATE/state
SlurmdSpoolDir=$STATE/spool
SlurmctldPidFile=$STATE/slurmctld.pid
SlurmdPidFile=$STATE/slurmd.pid
SlurmctldLogFile=$STATE/slurmctld.log
SlurmdLogFile=$STATE/slurmd.log
JobCompType=jobcomp/filetxt
JobCompLoc=$STATE/jobs.log
NodeName=$(hostname -s) NodeAddr=127.0.0.1 CPUs=${CPUS:-$(nproc)} RealMemory=${MEMORY_MB:-16000} State=UNKNOWN
PartitionName=short Nodes=ALL Default=YES MaxTime=INFINITE State=UP
CONF
}

start_munge() {
    [ -e /etc/munge/munge.key ] || fail "no /etc/munge/munge.key: apt-get install munge writes one"
    if ! munge -n 2> /dev/null | unmunge > /dev/null 2>&1; then
        mkdir -p /run/munge
        chown munge: /run/munge
        (cd / && setpriv --reuid munge --regid munge --clear-groups munged)
        touch "$STATE/our-munge"
    fi
}

case ${1:-} in
    start)
        for program in "${PROGRAMS[@]}"; do
            command -v "$program" > /dev/null || fail "no $program: apt-get install slurm-wlm munge"
        done
        [ "$(id -u)" = 0 ] || fail "must be root, who writes $CONF"
        write_conf
        start_munge
        slurmctld
        slurmd
        for _ in $(seq 60); do
            sinfo -h -o %T 2> /dev/null | grep -q idle && exit 0
            sleep 1
        done
        fail "the node is not idle after a minute: see $STATE/slurmctld.log and slurmd.log"
        ;;
    stop)
        squeue -h -o %i 2> /dev/null | xargs --no-run-if-empty scancel --signal=KILL --full || true
        for daemon in slurmd slurmctld; do
            [ ! -e "$STATE/$daemon.pid" ] || kill "$(cat "$STATE/$daemon.pid")" 2> /dev/null || true
        done
        [ ! -e "$STATE/our-munge" ] || (cd / && setpriv --reuid munge --regid munge --clear-groups munged --stop) > /dev/null
        ! grep -qsxF "$MARK" "$CONF" || rm "$CONF"
        rm -rf "$STATE"
        ;;
    *) fail "start or stop" ;;
esac
