# What the scripts of this folder stand on: a folder, free ports, processes that end with the script,
# a PostgreSQL of its own, an operator, an identity provider, and services on demand.
#
# Everything is on loopback; only what was started here is ended.

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
PROGRAM=${PROGRAM:-target/release/bappy}
[[ -x $PROGRAM ]] || { echo "$PROGRAM is not there: cargo build --release" >&2; exit 1; }
PROGRAM=$(realpath "$PROGRAM")
WORLD=$(mktemp -d "${TMPDIR:-/tmp}/bappy-shipping-XXXXXX")
# PostgreSQL runs as another user and has to come in.
chmod 755 "$WORLD"
STARTED=()
declare -A PORT PID

# At the end, with the script's status where something else came in between.
finish() {
  local status=${1:-$?}
  for pid in "${STARTED[@]}"; do kill "$pid" 2>/dev/null || true; done
  for pid in "${STARTED[@]}"; do wait "$pid" 2>/dev/null || true; done
  [[ -d $WORLD/data ]] && as_postgres "$BIN/pg_ctl" -D "$WORLD/data" -m immediate stop >/dev/null 2>&1
  if ((status)); then
    echo "FAILED ($status); the ends of the logs:" >&2
    tail -n 5 "$WORLD"/*.log >&2 || true
  fi
  rm -rf "$WORLD"
  exit "$status"
}
trap finish EXIT

fail() {
  echo "$1" >&2
  exit 1
}

started() { STARTED+=("$1"); }

# Sets each named variable to a port that is free, below those that Linux gives to outgoing
# connections.
NEXT_PORT=$((20000 + $$ % 9000))
ports() {
  local name
  for name in "$@"; do
    while (exec 9<>"/dev/tcp/127.0.0.1/$NEXT_PORT") 2>/dev/null; do NEXT_PORT=$((NEXT_PORT + 1)); done
    printf -v "$name" %s "$NEXT_PORT"
    NEXT_PORT=$((NEXT_PORT + 1))
  done
}

# Waits until a command succeeds.
until_ok() {
  local since=$SECONDS
  until "$@" >/dev/null 2>&1; do
    ((SECONDS - since < 60)) || fail "waited in vain: $*"
    sleep 0.1
  done
}

answers() { curl -sf -o /dev/null --max-time 2 "$1"; }

as_postgres() {
  if ((EUID)); then "$@"; else
    setpriv --reuid=postgres --regid="$(id -g postgres)" --clear-groups "$@"
  fi
}

# A PostgreSQL with an empty database; its address in DATABASE_URL.
start_postgres() {
  BIN=$(printf '%s\n' /usr/lib/postgresql/*/bin | tail -n 1)
  [[ -x $BIN/initdb ]] || fail 'PostgreSQL is not installed (Debian: postgresql)'
  ports PG_PORT
  install -d -o "$( ((EUID)) && id -un || echo postgres)" "$WORLD/data"
  as_postgres "$BIN/initdb" -D "$WORLD/data" -U bappy --auth=trust --locale=C >"$WORLD/initdb.log"
  start_cluster "$WORLD/data" "$PG_PORT"
  export PGHOST=127.0.0.1 PGPORT=$PG_PORT PGUSER=bappy
  createdb bappy
  export DATABASE_URL=postgres://bappy@127.0.0.1:$PG_PORT/bappy
}

start_cluster() {
  as_postgres "$BIN/pg_ctl" -D "$1" -w -l "$1/server.log" \
    -o "-k $1 -h 127.0.0.1 -p $2" start >/dev/null || { cat "$1/server.log" >&2; exit 1; }
}

# An operator and an identity provider, and an organization with money and plans.
furnish() {
  ports OPERATOR_PORT IDENTITY_PORT
  "$PROGRAM" operator-sim --listen "127.0.0.1:$OPERATOR_PORT" --state "$WORLD/operator.jsonl" \
    >"$WORLD/operator.log" 2>&1 &
  started $!
  "$PROGRAM" identity-sim --listen "127.0.0.1:$IDENTITY_PORT" --client acme:secret:acme \
    >"$WORLD/identity.log" 2>&1 &
  started $!
  ISSUER=http://127.0.0.1:$IDENTITY_PORT/realms/platform
  TOKEN_URL=$ISSUER/protocol/openid-connect/token
  export BAPPY_DATABASE__URL=$DATABASE_URL BAPPY_IDENTITY__ISSUER=$ISSUER
  export BAPPY_OPERATOR__URL=http://127.0.0.1:$OPERATOR_PORT
  export BAPPY_OPERATOR__USERNAME=bappy BAPPY_OPERATOR__PASSWORD=secret
  export BAPPY_OPERATOR__RATE_PER_SECOND=100000 BAPPY_RATE_LIMIT__ENABLED=false
  export BAPPY_DATABASE__MAX_CONNECTIONS=8 BAPPY_METRICS__LISTEN=127.0.0.1:0
  until_ok answers "http://127.0.0.1:$OPERATOR_PORT/_control/journal?reference=none"
  until_ok answers "$ISSUER/.well-known/openid-configuration"
  "$PROGRAM" migrate
  "$PROGRAM" org create acme --name Acme --currency USD --client-id acme >"$WORLD/furnish.log"
  "$PROGRAM" org credit acme 1000000 >>"$WORLD/furnish.log"
  "$PROGRAM" plan sync >>"$WORLD/furnish.log" 2>&1
  "$PROGRAM" plan enable --org acme --all >>"$WORLD/furnish.log"
}

# Starts a service, again on its port if it had one, and returns when it serves.
serve() {
  local name=$1
  [[ ${PORT[$name]:-} ]] || { ports a_port; PORT[$name]=$a_port; }
  BAPPY_LISTEN=127.0.0.1:${PORT[$name]} "$PROGRAM" serve >>"$WORLD/serve-$name.log" 2>&1 &
  PID[$name]=$!
  started $!
  until_ok answers "http://127.0.0.1:${PORT[$name]}/health"
}

# Asks a service to stop, and returns when it has.
stop() {
  kill -TERM "${PID[$1]}"
  wait "${PID[$1]}" || fail "$1 did not stop well"
}

# A load that runs beside the script; `load_ended` waits for it, and no request of it may have failed.
load_starts() {
  "$PROGRAM" load "$@" --token-url "$TOKEN_URL" --client acme:secret --json \
    >"$WORLD/load.json" 2>"$WORLD/load.log" &
  LOAD=$!
  started $LOAD
}

# A number of the load's report.
measured() { sed -n "s/^  \"$1\": \([0-9]*\),\$/\1/p" "$WORLD/load.json"; }

load_ended() {
  wait "$LOAD" || fail 'the load tool is not content'
  local requests ok
  requests=$(measured requests) ok=$(measured ok)
  echo "load: $requests requests, $((requests - ok)) failed, $(measured unsent) not sent in time"
  ((requests > 0 && requests == ok)) || fail "$(cat "$WORLD/load.json")"
}
