# Boots a guest, runs commands in it and ends it. Sourced by scripts/stock-hosts, which sets `work` to a private directory.
#
#   guest_boot DIRECTORY SEED     DIRECTORY from hosts/image, SEED the disk with everything under test; boots again if the
#                                 kernel panics before anything of ours runs
#   guest USER COMMAND            runs it in a login session of the user
#   guest_end                     ends it; does nothing if none runs
#
# QEMU emulates the processor, which works on every machine, also in virtual ones. STOCK_HOSTS_ACCELERATOR=kvm is faster
# where it works. The guest has no network; a port on the host's loopback leads to its sshd.
# shellcheck shell=bash disable=SC2154 # `work` is the caller's

# Longest boot time in seconds. It takes 40 on two idle cores.
guest_start_max=${STOCK_HOSTS_START_MAX:-240}
guest_boots_max=3
guest_accelerator=${STOCK_HOSTS_ACCELERATOR:-tcg,thread=multi,tb-size=1024}
guest_pid=

free_port() {
    python3 -c 'import socket
with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    print(free.getsockname()[1])'
}

guest_boot() { # directory, seed
    local boot panics=
    for ((boot = 1; ; boot++)); do
        if guest_boot_once "$@"; then
            [ -z "$panics" ] || echo "at boot $boot; before, the emulated kernel panicked:$panics"
            return 0
        fi
        # Emulated processors sometimes let a stock kernel fault while it boots.
        if [[ $guest_accelerator != tcg* ]] || ! grep -qa 'Kernel panic' "$guest_console" || [ "$boot" -ge "$guest_boots_max" ]; then
            [ -z "$panics" ] || echo "before, the emulated kernel panicked:$panics"
            return 1
        fi
        panics+=" $(grep -m 1 -aoE 'BUG: .*|Oops: .*|RIP: .*|Kernel panic.*' "$guest_console" | tr -d '\r');"
        guest_end
    done
}

guest_boot_once() { # directory, seed
    local deadline
    guest_port=$(free_port)
    guest_console=$work/console
    # Writes to the disk go to an unnamed file that ends with QEMU, and QEMU ends with this shell, even on SIGKILL.
    TMPDIR=$work setpriv --pdeathsig KILL nice -n 5 qemu-system-x86_64 -accel "$guest_accelerator" -cpu max -smp 2 -m 3G -nodefaults -no-reboot -display none \
        -monitor none -serial "file:$guest_console" -device virtio-rng-pci -kernel "$1/vmlinuz" -initrd "$1/initrd" \
        -append 'console=ttyS0 loglevel=5 panic=1 mitigations=off random.trust_cpu=on systemd.show_status=0 net.ifnames=0'" ${STOCK_HOSTS_KERNEL_ARGUMENTS:-}" \
        -drive "file=$1/root.ext4,format=raw,if=virtio,snapshot=on,cache=unsafe" \
        -drive "file=$2,format=raw,if=virtio,readonly=on" \
        -nic "user,model=virtio-net-pci,restrict=on,hostfwd=tcp:127.0.0.1:$guest_port-:22" </dev/null >"$work/qemu" 2>&1 &
    guest_pid=$!
    deadline=$((SECONDS + guest_start_max))
    while ! guest root true 2>"$work/ssh"; do
        if ! kill -0 "$guest_pid" 2>/dev/null || [ "$SECONDS" -ge "$deadline" ]; then
            echo "the guest did not boot: $(cat "$work/ssh")" >&2
            return 1
        fi
        sleep 1
    done
}

# One connection for each user: its login session lasts as long as the guest.
guest() { # user, command
    ssh -F none -n -p "$guest_port" -i "$work/key" -o IdentitiesOnly=yes -o BatchMode=yes -o ConnectTimeout=20 \
        -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR -o ServerAliveInterval=30 \
        -o ControlMaster=auto -o ControlPath="$work/$1.ssh" -o ControlPersist=yes "$1@127.0.0.1" "$2"
}

# CPU time that the guest has used, in seconds: on a busy machine it says more than elapsed time.
guest_cpu() {
    local stat fields
    stat=$(cat "/proc/${guest_pid:-0}/stat" 2>/dev/null) || { echo 0; return; }
    # proc_pid_stat(5): times are the 12th and 13th field after the name, in hundredths.
    read -ra fields <<<"${stat##*) }"
    echo $(((fields[11] + fields[12]) / 100))
}

guest_end() {
    local socket
    for socket in "$work"/*.ssh; do
        [ ! -S "$socket" ] || ssh -F none -o ControlPath="$socket" -O exit guest 2>/dev/null || true
    done
    [ -n "$guest_pid" ] || return 0
    kill -KILL "$guest_pid" 2>/dev/null || true
    wait "$guest_pid" 2>/dev/null || true
    guest_pid=
}
