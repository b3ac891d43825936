#!/bin/sh
# Installs, upgrades or removes the proxmon agent on this host: sh proxmon-install.sh [install|upgrade|uninstall]
#
# The token is asked for, or taken from the environment (PROXMON_TOKEN) or from standard input; it never stands on a
# command line. Run again with a new token, it takes that one. PROXMON_CA_FILE names the authority of a server with a
# certificate of its own. PROXMON_DESTDIR puts everything below another folder, for tests.
set -eu
umask 077

server=${PROXMON_SERVER:-'@PROXMON_SERVER@'}
destdir=${PROXMON_DESTDIR:-}
user=proxmon-agent
program=/usr/local/lib/proxmon-agent/proxmon-agent.pyz
config=/etc/proxmon-agent.conf
authority=/etc/proxmon-agent-ca.pem
unit=/etc/systemd/system/proxmon-agent.service
state=/var/lib/proxmon-agent
wait_seconds=${PROXMON_WAIT_SECONDS:-40}
changed=no
work=
token=

say() { printf '%s\n' "$*"; }

fail() {
    printf 'proxmon-install: %s\n' "$*" >&2
    exit 1
}

clean_up() {
    [ -z "$work" ] || rm -rf "$work"
    # A prompt that is interrupted must not leave the terminal silent.
    if [ -t 0 ]; then stty echo 2>/dev/null || :; fi
}
trap clean_up EXIT
trap 'exit 130' INT TERM

check_host() {
    if [ -z "$destdir" ] && [ "$(id -u)" -ne 0 ]; then
        fail "only root can install a service. Run it in a root shell (su -), or where sudo is set up: sudo sh $0"
    fi
    for tool in python3 systemctl sha256sum; do
        command -v "$tool" >/dev/null 2>&1 || fail "$tool is missing on this host"
    done
    python3 -c 'import sys; sys.exit(sys.version_info < (3, 9))' || fail "Python 3.9 or later is needed"
}

fetch() {
    if command -v curl >/dev/null 2>&1; then
        curl -fsS ${ca:+--cacert "$ca"} -o "$2" "$server/agent/$1"
    elif command -v wget >/dev/null 2>&1; then
        wget -q ${ca:+--ca-certificate="$ca"} -O "$2" "$server/agent/$1"
    else
        fail "curl or wget is needed"
    fi || fail "$server/agent/$1 cannot be fetched"
}

# Finds the server's own authority: the one that is named now, else the one that was named before.
find_authority() {
    ca=${PROXMON_CA_FILE:-}
    if [ -z "$ca" ] && [ -f "$destdir$authority" ]; then
        ca=$destdir$authority
    elif [ -z "$ca" ] && [ -f "$destdir$config" ]; then
        ca=$(sed -n 's/^ca_file *= *//p' "$destdir$config")
    fi
    [ -z "$ca" ] || grep -q 'BEGIN CERTIFICATE' "$ca" 2>/dev/null ||
        fail "PROXMON_CA_FILE must name a certificate in PEM form that can be read: $ca is none"
}

download() {
    find_authority
    work=$(mktemp -d)
    fetch proxmon-agent.pyz "$work/proxmon-agent.pyz"
    fetch proxmon-agent.pyz.sha256 "$work/proxmon-agent.pyz.sha256"
    (cd "$work" && sha256sum -c proxmon-agent.pyz.sha256 >/dev/null 2>&1) ||
        fail "the program does not match its SHA-256 digest: nothing was changed"
}

# put SOURCE TARGET MODE: replaces a file in one step, and only when its content differs.
put() {
    if cmp -s "$1" "$destdir$2"; then
        chmod "$3" "$destdir$2"
        return 0
    fi
    folder=$(dirname "$destdir$2")
    if [ ! -d "$folder" ]; then (umask 022 && mkdir -p "$folder"); fi
    cp "$1" "$destdir$2.new"
    chmod "$3" "$destdir$2.new"
    mv -f "$destdir$2.new" "$destdir$2"
    changed=yes
    say "  wrote $2"
}

# Asks the server whether it takes a new token, before anything is changed.
try_token() {
    [ -n "$token" ] || return 0
    PROXMON_TOKEN=$token python3 -I "$work/proxmon-agent.pyz" --check --config /dev/null --server "$server" \
        ${ca:+--ca-file "$ca"} >"$work/check" 2>&1 || fail "$(cat "$work/check"). Nothing was changed"
}

make_user() {
    if id "$user" >/dev/null 2>&1; then return 0; fi
    useradd --system --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin "$user"
    changed=yes
    say "  made the user $user"
}

has_setting() { [ -f "$destdir$config" ] && grep -q "^$1 *=" "$destdir$config"; }

# Takes the token from the environment, a prompt or standard input. Where one is installed, saying none keeps it.
read_token() {
    token=${PROXMON_TOKEN:-}
    unset PROXMON_TOKEN
    if [ -z "$token" ] && [ -t 0 ]; then
        if has_setting token; then say "A token is installed: Enter alone keeps it."; fi
        printf 'Paste the host'"'"'s token (it is not shown; Ctrl-C changes nothing): '
        stty -echo
        read -r token || :
        stty echo
        say ""
    elif [ -z "$token" ]; then
        read -r token || :
    fi
    if [ -z "$token" ] && has_setting token; then return 0; fi
    # Only built-in commands see the token, here and below: an argument of any other shows in `ps`.
    token=${token%"$(printf '\r')"}
    case $token in
        '' | *[!A-Za-z0-9_-]*) fail "that is no token: copy it from the page that showed it. Nothing was changed" ;;
    esac
    [ "${#token}" -le 200 ] || fail "that is too long for a token: copy it again. Nothing was changed"
}

# Keeps the lines of an existing config, but for the server's address, and for token and authority when they are new.
write_config() {
    {
        if [ -f "$destdir$config" ]; then
            while IFS= read -r line || [ -n "$line" ]; do
                case ${line%%[ =]*} in
                    server) line="server = $server" ;;
                    token) [ -z "$token" ] || line="token = $token" ;;
                    ca_file) [ -z "$ca" ] || line="ca_file = $authority" ;;
                esac
                say "$line"
            done <"$destdir$config"
        fi
        has_setting server || say "server = $server"
        has_setting token || say "token = $token"
        has_setting ca_file || [ -z "$ca" ] || say "ca_file = $authority"
        has_setting spool || say "spool = $state"
    } >"$work/config"
    if [ -n "$ca" ]; then put "$ca" "$authority" 644; fi
    put "$work/config" "$config" 600
    if id "$user" >/dev/null 2>&1; then chown "$user:$user" "$destdir$config"; fi
}

write_unit() {
    python=$(command -v python3)
    groups=
    # Proxmox lets this group read guests' configurations and pvestatd's figures; that spares the agent being root.
    if getent group www-data >/dev/null 2>&1; then groups="SupplementaryGroups=www-data"; fi
    cat >"$work/unit" <<UNIT
[Unit]
Description=proxmon agent: sends this host's state to $server
After=network-online.target zfs.target pve-cluster.service
Wants=network-online.target

[Service]
ExecStart=$python -I $program --config $config
User=$user
Group=$user
$groups
StateDirectory=proxmon-agent
StateDirectoryMode=0700
Restart=always
RestartSec=10
# Status 2 is a setting that cannot be: starting again would not help.
RestartPreventExitStatus=2
TimeoutStopSec=15
Nice=10
IOSchedulingClass=idle
CPUQuota=25%
MemoryMax=512M
TasksMax=64
Environment=MALLOC_ARENA_MAX=1
UMask=0077
KeyringMode=private
NoNewPrivileges=yes
CapabilityBoundingSet=
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
DevicePolicy=closed
DeviceAllow=/dev/zfs rw
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectKernelLogs=yes
ProtectControlGroups=yes
ProtectClock=yes
ProtectHostname=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM

[Install]
WantedBy=multi-user.target
UNIT
    put "$work/unit" "$unit" 644
}

# Leaves a word for the agent, which says it to the server. The folder is the agent's own, so what lies there could be
# a link to anywhere: it is removed, and noclobber makes the new file or nothing.
tell_reason() {
    rm -f "$destdir$state/stop-reason"
    (umask 022 && set -C && printf 'upgrade\n' >"$destdir$state/stop-reason") 2>/dev/null || :
}

start() {
    if systemctl is-active --quiet proxmon-agent; then
        if [ "$changed" = no ]; then
            confirm_unchanged
            return 0
        fi
        tell_reason
    fi
    systemctl daemon-reload
    systemctl enable --quiet proxmon-agent
    # Between stop and start nobody writes this note, so that the next one is of the agent with the present settings.
    systemctl stop proxmon-agent
    rm -f "$destdir$state/state.json"
    systemctl start proxmon-agent
    wait_until_accepted "The server accepted this host's first sample: the agent is installed and runs."
}

confirm_unchanged() {
    wait_until_accepted "Nothing had to be changed: the agent is installed, runs, and the server accepts its samples."
}

# The agent notes in this file when the server takes its first sample, or why it does not.
note() { sed -n "s/.*\"$1\": \"\\([^\"]*\\)\".*/\\1/p" "$destdir$state/state.json" 2>/dev/null || :; }

wait_until_accepted() {
    [ -n "$(note accepted_at)" ] || say "Waiting for the server to accept a sample …"
    waited=0
    while [ "$waited" -lt "$wait_seconds" ]; do
        accepted=$(note accepted_at)
        if [ -n "$accepted" ]; then
            say "$1"
            return 0
        fi
        case $(note trouble) in *"refuses this host's token"*) break ;; esac
        sleep 1
        waited=$((waited + 1))
    done
    trouble=$(note trouble)
    say "The agent is installed and keeps trying, but no sample was accepted: ${trouble:-it has not said why}." >&2
    fail "see: journalctl -u proxmon-agent"
}

install_agent() {
    say "This installs the proxmon agent, which sends this host's state to $server:"
    say "  $program   the program, one file, checked against its SHA-256 digest"
    say "  $config                          its settings and token, mode 0600"
    say "  $unit   a restricted service that runs as the user $user"
    say "  $state                          samples that wait while the server is away"
    case $server in
        https://* | http://localhost* | http://127.*) ;;
        *) say "The server's address is http: token, program and samples travel readable for whoever is between." ;;
    esac
    read_token
    download
    try_token
    make_user
    put "$work/proxmon-agent.pyz" "$program" 755
    write_config
    write_unit
    start
}

upgrade_agent() {
    has_setting token || fail "the agent is not installed here: run this without 'upgrade'"
    say "This replaces the proxmon agent by the version that $server offers, and starts it again."
    download
    make_user
    put "$work/proxmon-agent.pyz" "$program" 755
    write_unit
    start
}

uninstall_agent() {
    say "This stops the proxmon agent and removes its program, settings, waiting samples and user."
    systemctl disable --now proxmon-agent >/dev/null 2>&1 || :
    rm -f "$destdir$unit" "$destdir$config" "$destdir$authority" "$destdir$program"
    rm -rf "${destdir:?}$state" "$(dirname "$destdir$program")"
    systemctl daemon-reload
    if id "$user" >/dev/null 2>&1; then userdel "$user" || :; fi
    say "The agent is removed. The server keeps what it was sent: delete the host there if it is not wanted."
}

case $server in
    http://*[!A-Za-z0-9.:/_~[\]-]* | https://*[!A-Za-z0-9.:/_~[\]-]*) fail "the server's address has odd characters" ;;
    http://?* | https://?*) ;;
    *) fail "the server's address is missing: fetch this script from the server, or set PROXMON_SERVER" ;;
esac
case $destdir in
    '' | /*) ;;
    *) fail "PROXMON_DESTDIR must begin with /" ;;
esac
check_host
case ${1:-install} in
    install) install_agent ;;
    upgrade) upgrade_agent ;;
    uninstall) uninstall_agent ;;
    *) fail "say install, upgrade or uninstall" ;;
esac
