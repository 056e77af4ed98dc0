# shellcheck shell=bash
# shellcheck disable=SC2154  # what ./run defines
# The simulated cloud beside the hub, for ./run --cloud simulated: sourced there, uses its $data and functions.

readonly kCloudProject=simulated-project kCloudRegion=us-central1 kCloudCluster=main kDemoOrganization=demo
readonly kCloudPort=9100
readonly kCloudTimeScale=0.1  # a start takes 3 to 9 s: long enough to watch, short enough to wait

cloud_pid() { pid_in "$data/cloud.pid"; }
cloud_url() { sed -n 's/^workstations = "\(http:.*\)"$/\1/p' "$data/cloud.toml" 2>/dev/null; }

# The last port, so that the hub's file stays true; else a free one.
choose_cloud_port() {
  local candidate last
  last=$(cloud_url | sed -n 's/.*:\([0-9]\{1,5\}\)$/\1/p')
  for candidate in $last $(seq "$kCloudPort" "$((kCloudPort + kPortsTried))"); do
    if is_port_free "$candidate"; then printf '%s\n' "$candidate" && return; fi
  done
  fail 1 "no free port between $kCloudPort and $((kCloudPort + kPortsTried))"
}

write_cloud_file() {
  local folder url=http://127.0.0.1:$1
  folder=$(realpath -m "$data")
  cat >"$data/cloud.toml" <<TEXT
# Written by ./run --cloud simulated: a hub that works with the simulated cloud beside it.
[google]
project = "$kCloudProject"
location = "$kCloudRegion"
credentials = "$folder/cloud/service-account.json"

[google.endpoints]
workstations = "$url"
pubsub = "$url"
compute = "$url"
oauth_token = "$url/token"
sts = "$url/v1/token"
iam_credentials = "$url"
metadata = "127.0.0.1:$1"

[workstations]
default_cluster = "$kCloudCluster"
poll_every = "1s"

[pubsub]
dead_letter_topic = "workstation-provisioning-dead"

[mail]
url = "folder:$folder/mail"
TEXT
}

ensure_cloud() {
  local pid started chosen
  if pid=$(cloud_pid); then
    if ! is_outdated "$pid"; then
      say_done "The simulated cloud already runs at $(cloud_url) (process $pid)"
      return
    fi
    end_process "$data/cloud.pid" "the simulated cloud"
  fi
  chosen=$(choose_cloud_port)
  mkdir -p "$data/cloud" "$data/mail"
  write_cloud_file "$chosen"
  setsid bin/slipway-simulator --port "$chosen" --project "$kCloudProject" --region "$kCloudRegion" \
    --time-scale "$kCloudTimeScale" --cluster "$kCloudCluster" --state "$data/cloud/state.json" \
    --write-credentials "$data/cloud" --topic workstation-provisioning --topic workstation-events \
    --topic workstation-provisioning-dead --subscription workstation-provisioning-sub:workstation-provisioning \
    </dev/null >>"$data/cloud.log" 2>&1 {lock}>&- &
  pid=$!
  started=$(process_start_time "$pid")
  printf '%s %s\n' "$pid" "$started" >"$data/cloud.pid"
  until curl --silent --fail --max-time 5 --noproxy '*' -o /dev/null "$(cloud_url)/simulator/status"; do
    is_process "$pid" "$started" || { tail -n 20 "$data/cloud.log" >&2 && fail 1 "the simulated cloud ended"; }
    sleep 0.05
  done
  say_done "The simulated cloud runs at $(cloud_url) (process $pid)"
}

# Configs for the tiers, and the first workstation.
furnish_cloud() {
  slipway workstations setup --organization "$kDemoOrganization" --cluster "$kCloudCluster"
  if [[ $(slipway workstations list --organization "$kDemoOrganization" --output json) == *'"id"'* ]]; then
    say_done "The first workstation is already there"
  else
    slipway workstations create --user first-user --organization "$kDemoOrganization" --email first.user@example.com \
      --tier starter
  fi
}

tell_of_cloud() {
  local order="{\"user_id\":\"u-2\",\"org_id\":\"$kDemoOrganization\",\"tier\":\"starter\",\"user_email\":\"u2@example.com\"}"
  cat <<TEXT
${kBold}Workstations${kPlain} bin/slipway$1 workstations list        (mails are in $data/mail)
${kBold}Order one${kPlain}    curl -d '$order' '$(cloud_url)/simulator/publish?topic=workstation-provisioning'
${kBold}The truth${kPlain}    curl $(cloud_url)/simulator/machines        (and …/ledger, …/faults: docs/simulator.md)
TEXT
}

stop_cloud() {
  cloud_pid >/dev/null || return 0
  end_process "$data/cloud.pid" "the simulated cloud"
  say_done "The simulated cloud is stopped; what it has, it keeps"
}
