# Outlives a process that is killed before it can clean up. Its standard input is a
# pipe that only that process holds: the end of it means that the process is gone.
# $1 is the directory with everything; each data directory in it may have a server, and other
# servers leave their process id beside them.
directory=$1
while read -r _; do :; done
[ -d "$directory" ] || exit 0

# A process id alone is not enough: it may belong to somebody else by now.
is_ours() {
    { tr '\0' ' ' <"/proc/$1/cmdline" || ps -o args= -p "$1"; } 2>/dev/null | grep -qF "$directory"
}

pids=$(for file in "$directory"/*/postmaster.pid "$directory"/*.pid; do head -n 1 "$file" 2>/dev/null; done)
for pid in $pids; do
    if is_ours "$pid"; then kill -QUIT "$pid"; fi
done
for pid in $pids; do
    tries=0
    while is_ours "$pid" && [ $tries -lt 200 ]; do
        sleep 0.05
        tries=$((tries + 1))
    done
    # One that was started with the signal ignored, as what a shell has in the background is.
    if is_ours "$pid"; then kill -KILL "$pid"; fi
done
cd / && rm -rf "$directory"
