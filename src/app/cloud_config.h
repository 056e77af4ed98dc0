#pragma once
// How a hub works with Google Cloud: the file of `slipway serve --cloud FILE` (docs/workstations.md). TOML; what is
// unknown there or cannot be is refused with its name, before anything starts.

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/time.h"
#include "fleet/tier.h"

namespace slipway::app {

// Other places than Google's own: emulators, the simulator, private endpoints. Base URLs.
struct EndpointsConfig {
  std::string workstations;
  std::string pubsub;
  std::string compute;
  std::string oauth_token;  // the whole address of the token endpoint
  std::string sts;
  std::string iam_credentials;
  std::string metadata;  // host[:port] of the metadata server
};
SLIPWAY_JSON_SNAKE(EndpointsConfig, workstations, pubsub, compute, oauth_token, sts, iam_credentials, metadata)

struct GoogleConfig {
  std::string project;
  std::string location;
  // A file (service_account or external_account), "metadata", "none" for emulators; empty: as Google's own clients look
  // for them.
  std::string credentials;
  EndpointsConfig endpoints;
};
SLIPWAY_JSON_SNAKE(GoogleConfig, project, location, credentials, endpoints)

struct WorkstationsConfig {
  std::string default_cluster;  // for organizations without a network of their own; empty: they are refused
  std::string launch_url = "https://{host}";
  std::string container_image;  // empty: Google's default editor
  std::string service_account;  // of the machines; empty: Google's default
  bool public_ip = false;
  std::string idle_timeout = "20m";
  std::string running_timeout = "12h";
  std::string slow_after = "5m";      // past that, an alert
  std::string give_up_after = "30m";  // past that, the run fails and cleans up
  std::string poll_every = "10s";
  std::string quota_wait_first = "1m";  // doubles, up to an hour
  std::string watch_every = "250ms";    // the least interval between lists of what is being made; 0: do not watch
  std::string sweep_every = "15m";
};
SLIPWAY_JSON_SNAKE(WorkstationsConfig, default_cluster, launch_url, container_image, service_account, public_ip,
                   idle_timeout, running_timeout, slow_after, give_up_after, poll_every, quota_wait_first, watch_every,
                   sweep_every)

struct TierConfig {
  std::string name;
  std::string machine_type;
  std::int64_t vcpus = 0;
  std::int64_t memory_gb = 0;
  std::int64_t disk_gb = 0;
  std::optional<std::int64_t> monthly_cost_usd;
  std::optional<std::string> config;
};
SLIPWAY_JSON_SNAKE(TierConfig, name, machine_type, vcpus, memory_gb, disk_gb, monthly_cost_usd, config)

struct PubsubConfig {
  bool enabled = true;  // false: no messages are pulled or published
  std::string subscription = "workstation-provisioning-sub";
  std::string events_topic = "workstation-events";
  std::string dead_letter_topic;  // empty: none
  std::int64_t max_outstanding = 200;
  bool pull = true;  // false: the subscription pushes
  std::string push_audience;
  std::string push_service_account;  // the e-mail address that pushes come from; empty: no push endpoint
  std::string push_keys_url;         // empty: Google's
};
SLIPWAY_JSON_SNAKE(PubsubConfig, enabled, subscription, events_topic, dead_letter_topic, max_outstanding, pull,
                   push_audience, push_service_account, push_keys_url)

struct MailConfig {
  std::string url;  // smtp://HOST:PORT, smtps://HOST:PORT or folder:PATH; empty: no mail is sent
  std::string sender = "noreply@coditect.ai";
  std::string sender_name = "Workstations";
  std::string reply_to;
  std::string starttls;  // "required" or "no", which is for loopback only; empty: required unless it is loopback
  std::string username;
  std::string password_file;
  std::string ca_file;
  std::string alerts_to;  // who is told of alerts; empty: nobody
};
SLIPWAY_JSON_SNAKE(MailConfig, url, sender, sender_name, reply_to, starttls, username, password_file, ca_file,
                   alerts_to)

struct CloudConfig {
  GoogleConfig google;
  WorkstationsConfig workstations;
  std::vector<TierConfig> tiers;  // empty: starter, professional, business, enterprise
  PubsubConfig pubsub;
  MailConfig mail;
};
SLIPWAY_JSON_SNAKE(CloudConfig, google, workstations, tiers, pubsub, mail)

// Throws VALIDATION_ERROR naming the key, or with the line of what is no TOML.
CloudConfig read_cloud_config(const std::filesystem::path& file);
CloudConfig parse_cloud_config(std::string_view text);

fleet::Tiers tiers_of(const CloudConfig& config);
// Of a key that was checked by parsing.
base::Duration duration_of(const std::string& text);

}  // namespace slipway::app
