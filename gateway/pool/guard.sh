#!/bin/sh
# Ends the PHP processes of a gateway that has died (kill -9, out of memory): nobody is left who could take their
# answers, and their workers would run on for as long as their scripts do.
#
# guard.sh <instance>
#
# The gateway holds the other end of standard input, which the system closes with it, however it dies. A gateway that is
# merely stopped holds it still. Lines: the pids of the masters it runs now, all of them each time; or `end`, when it
# closes in order. POSIX shell and grep; without /proc it finds nothing and ends nothing.

# A Ctrl-C, or a service manager that tells all processes of a unit to end: the gateway drains, and is guarded meanwhile.
trap '' HUP INT QUIT TERM
export LC_ALL=C
instance=$1
masters=
while read -r line; do
  [ "$line" = end ] && exit 0
  masters=$line
done

# By their titles, and masters that have no title yet by the instance in their arguments: a pid alone may be another's.
found() {
  grep -ls -e "^php-fpm: .*$instance" -e "^fpm-gateway: .*$instance" /proc/[0-9]*/cmdline
  for pid in $masters; do
    grep -ls -e "$instance" "/proc/$pid/cmdline"
  done
}

# A master may fork while its workers are ended: until none is left, for at most half a minute.
round=0
while [ "$round" -lt 30 ]; do
  files=$(found)
  [ -z "$files" ] && exit 0
  for file in $files; do
    pid=${file#/proc/}
    pid=${pid%/cmdline}
    # The group, too: programs that workers have started are in their master's.
    kill -s KILL -- "-$pid" 2>/dev/null
    kill -s KILL "$pid" 2>/dev/null
  done
  sleep 1
  round=$((round + 1))
done
