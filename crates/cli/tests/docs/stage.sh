#!/usr/bin/env bash
# Plays a page of the documentation on hosts of its own: stage.sh FOLDER OVERSPILL CHECKOUT
#
# Runs inside fresh mount, network and process namespaces, which end with it and take along whatever
# was started. FOLDER/page.sh calls `on HOST` with a block of commands; each host has its own network,
# name, home and working folder, and remembers what a block exported.
set -euo pipefail

export STAGE=$1
readonly OVERSPILL=$2 CHECKOUT=$3
readonly PATIENCE_S=40

fail() { printf 'FAILED: %s\n' "$*" >&2; exit 1; }

prepare_machine() {
    mkdir -p "$STAGE/bin"
    ln -s "$OVERSPILL" "$STAGE/bin/overspill"
    printf '127.0.0.1 localhost\n10.77.0.1 files.example.org\n10.77.0.2 m1.example.org\n10.77.0.3 m2.example.org\n10.77.0.9 client.example.org\n' >"$STAGE/hosts"
    mount --bind "$STAGE/hosts" /etc/hosts
    ip link set lo up
    ip link add br0 type bridge
    ip link set br0 up
}

# A host is a network namespace that a sleeping process holds open.
add_host() {
    local name=$1 address=$2 holder
    unshare --net --uts sleep 10000 &
    holder=$!
    for _ in {1..500}; do
        [[ $(readlink /proc/$holder/ns/net) != $(readlink /proc/self/ns/net) && $(readlink /proc/$holder/exe) == *sleep ]] && break
        sleep 0.01
    done
    echo "$holder" >"$STAGE/$name.holder"
    ip link add "$name" type veth peer name eth0 netns "$holder" # lexicon-ok: the words are those of `ip`
    ip link set "$name" master br0 up
    within "$name" ip link set lo up
    within "$name" ip addr add "$address/24" dev eth0
    within "$name" ip link set eth0 up
    # It leads nowhere, but a host without one does not know its own address.
    within "$name" ip route add default dev eth0
    within "$name" hostname "$name.example.org"
    mkdir -p "$STAGE/$name"
}

within() {
    local holder
    holder=$(<"$STAGE/$1.holder")
    shift
    nsenter --net="/proc/$holder/ns/net" --uts="/proc/$holder/ns/uts" "$@"
}

# What a publisher has: a folder `pub`. The checkout's own files lie beside it, as in a clone.
furnish() {
    local home=$STAGE/files
    mkdir -p "$home/pub/debian/dists/stable" "$home/pub/images" "$home/pub/pool"
    head -c 24M /dev/urandom >"$home/pub/big.iso"
    for name in a b c; do head -c 300K /dev/urandom >"$home/pub/images/$name.iso"; done
    printf 'Suite: stable\n' >"$home/pub/debian/dists/stable/Release"
    head -c 200K /dev/urandom >"$home/pub/pool/tool_1.0_amd64.deb"
    printf '# Files\n\nWhat we publish.\n' >"$home/pub/README.md"
    for host in files m1 m2 client; do
        ln -s "$CHECKOUT/contrib" "$CHECKOUT/crates" "$STAGE/$host/"
    done
}

# Runs the block on standard input on a host.
on() {
    local host=$1 file
    file=$(mktemp "$STAGE/block.XXXXXX")
    { cat "$STAGE/prelude.sh"; cat; } >"$file"
    printf -- '--- on %s\n' "$host"
    within "$host" env -i \
        PATH="$STAGE/bin:$PATH" HOME="$STAGE/$host" STAGE="$STAGE" STAGE_HOST="$host" \
        LANG=C.UTF-8 TERM=xterm PATIENCE_S="$PATIENCE_S" timeout 120 bash "$file" </dev/null || fail "a block on $host, exit code $?"
}

write_prelude() {
    cat >"$STAGE/prelude.sh" <<'PRELUDE'
set -euo pipefail
cd "$HOME"
[[ -e $HOME/.exported ]] && . "$HOME/.exported"
[[ -e $HOME/.folder ]] && cd "$(<"$HOME/.folder")"
trap 'declare -px | grep -v STAGE >"$HOME/.exported"; pwd >"$HOME/.folder"' EXIT

stage_fail() {
    tail -n 20 "$HOME/node.out" "$HOME/node.log" >&2 || true
    curl -qsk "$(stage_url)-/ready" "$(stage_url)-/api/fleet" >&2 || true
    printf 'FAILED: %s\n' "$*" >&2
    exit 1
}

# Tries a command again and again until it succeeds.
stage_until() {
    local what=$1 deadline=$((SECONDS + PATIENCE_S))
    shift
    until "$@" >/dev/null 2>&1; do
        ((SECONDS < deadline)) || stage_fail "waited in vain for $what"
        sleep 0.05
    done
}

stage_is_ready() { curl -qfsk "$(stage_url)-/ready"; }
stage_is_up() { tail -n 1 "$HOME/node.out" | grep -q '^St'; }
stage_url() { grep -om 1 'https\?://[^ ]*[0-9]/' "$HOME/node.out"; }
# A process that nobody waits for any more stays as a zombie.
stage_is_gone() { ! grep -q '^State:[[:space:]]*[A-Y]' "/proc/$1/status"; }

# Starts a node in a terminal of its own; one that runs on this host is ended by Ctrl-C before.
stage_node() {
    local line=$1
    printf '+ %s &\n' "$line"
    if [[ -e $HOME/node.pid ]]; then
        kill -INT "$(<"$HOME/node.pid")" 2>/dev/null || true
        stage_until 'the node before to end' stage_is_gone "$(<"$HOME/node.pid")"
    fi
    # What the node before has said must not be taken for this one's words.
    rm -f "$HOME/node.out"
    # Of the block's own end a node must not know: it would be waited for.
    setsid bash -c "trap - INT; exec env $line" >"$HOME/node.out" 2>"$HOME/node.log" </dev/null &
    echo $! >"$HOME/node.pid"
    stage_until "'$line' to come up" stage_is_up
    stage_until "'$line' to be ready" stage_is_ready
    stage_until "'$line' to have hashed all" stage_has_hashed
}

# A program that wants a terminal: it gets one, and is left again by its own key or word.
stage_terminal() {
    printf '+ %s\n' "$1"
    local leave='q'
    [[ $1 == *' shell '* ]] && leave=$'exit\n'
    printf '%s' "$leave" | timeout 30 script -qefc "$1" /dev/null
}

stage_has_hashed() { curl -qfsk "$(stage_url)-/api/fleet" | grep -q '"unhashed":0'; }
stage_token() { sed -n 's/.*OVERSPILL_TOKEN=\([^ ]*\) .*/\1/p' "$STAGE/files/node.out"; }
stage_fleet() { curl -qfsSk "$(HOME=$STAGE/files stage_url)-/api/fleet"; }
stage_member() {
    stage_until 'a member' eval 'stage_fleet | grep -q "\"name\":\"m-"'
    stage_fleet | grep -o '"name":"m-[^"]*"' | head -n 1 | cut -d '"' -f 4
}
set -v
PRELUDE
}

prepare_machine
write_prelude
add_host files 10.77.0.1
add_host m1 10.77.0.2
add_host m2 10.77.0.3
add_host client 10.77.0.9
furnish
# shellcheck source=/dev/null
source "$STAGE/page.sh"
