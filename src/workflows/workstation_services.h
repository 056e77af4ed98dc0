#pragma once
// What the workflows of workstations work with, and the pieces that they share.

#include <functional>
#include <string>

#include "base/random.h"
#include "durable/context.h"
#include "fleet/organization.h"
#include "fleet/sealer.h"
#include "fleet/workstation.h"
#include "google/resource_name.h"
#include "providers/workstations/state_watch.h"
#include "providers/workstations/workstation_cloud.h"
#include "store/store.h"
#include "workflows/workstation_request.h"

namespace slipway::workflows {

using base::RunId;
using providers::workstations::Sighting;

// The one that is called, for retries that share a budget.
inline constexpr std::string_view kWorkstationsEndpoint = "workstations";

struct WorkstationLimits {
  base::Duration slow_after{300'000};       // past that, an alert
  base::Duration give_up_after{1'800'000};  // past that, the run fails and cleans up
  base::Duration poll_every{10'000};
  base::Duration first_look_after{1'000};
  base::Duration quota_wait_first{60'000};  // doubles, up to an hour (WP-11)
  base::Duration quota_wait_max{3'600'000};
};
SLIPWAY_JSON_CAMEL(WorkstationLimits, slow_after, give_up_after, poll_every, first_look_after, quota_wait_first,
                   quota_wait_max)

// What is told to the world when a workstation can be used (WP-8, WP-9). Both block, and throw base::Error.
struct ReadyMail {
  std::string message_id;  // the same for every attempt
  fleet::Workstation workstation;
};
struct Publication {
  std::string event_id;  // the same for every attempt, for those who must not count it twice
  std::string type;      // workstation.ready
  json::Value data;
};
struct Announcers {
  std::function<void(const ReadyMail&, std::stop_token)> send_mail;         // empty: no mail is sent
  std::function<std::string(const Publication&, std::stop_token)> publish;  // gives the message's id; empty: nothing is
};

struct WorkstationServices {
  store::Database& database;
  const fleet::Sealer& sealer;
  const fleet::Tiers& tiers;
  providers::workstations::WorkstationCloud& cloud;
  providers::workstations::StateWatch& watch;
  const base::Clock& clock;
  base::Random& random;  // thread-safe
  google::LocationName location;
  std::string default_cluster;  // of organizations without a network of their own; empty: they are refused
  std::string launch_url = "https://{host}";
  WorkstationLimits limits = {};
  Announcers announce = {};

  // ---- for transactions

  fleet::Workstation workstation(store::Transaction& tx, const std::string& id) const;
  // The config of a tier in an organization's own cluster (WP-22). NETWORK_NOT_CONFIGURED when it has none.
  std::string config_of(store::Transaction& tx, const std::string& organization_id, const fleet::Tier& tier) const;

  // ---- for steps

  fleet::Workstation workstation(const std::string& id) const;
  // What a workstation is made from, its environment opened.
  providers::workstations::WorkstationSpec spec_of(const fleet::Workstation& workstation) const;
  // Whether the run still has its workstation in hand: what it handed over to a user stays, even if it is cancelled
  // then.
  bool holds_workstation(const RunId& run) const;
  // Where its user opens it.
  std::string launch_url_of(const std::string& id, const std::string& host) const;
};

// What the cloud is asked for, and how it is looked at until it is done.
struct CloudWork {
  std::string step;                                     // create-workstation
  std::string wait;                                     // wait-until-created
  std::string resource;                                 // the workstation's name in the cloud
  std::function<std::string(durable::Attempt&)> begin;  // gives the operation
  std::function<providers::workstations::Look(const std::string& operation, std::stop_token)> look;
  std::string undo;  // how taking it away again is called; empty: it is not undone
};

// Begins it, waits for its end without holding anything, and does it again when that failed for a reason that passes.
// While the cloud has no room it waits for quota, visibly (WP-11); past `slow_after` it raises an alert and goes on
// (WP-13); past `give_up_after` it throws CREATION_TIMED_OUT. Throws what it failed with otherwise. `limits` are those
// that the run has recorded: others in the hub's file of today must not change its way.
durable::Run<Sighting> do_in_cloud(durable::Context& run, const WorkstationServices& services, WorkstationLimits limits,
                                   std::string id, CloudWork work);

// ---- alerts, each in the transaction of what it tells of

inline constexpr std::string_view kQuotaAlert = "workstation.quota";
inline constexpr std::string_view kSlowAlert = "workstation.slow";
inline constexpr std::string_view kFailedAlert = "workstation.failed";
inline constexpr std::string_view kDriftAlert = "workstation.drift";
inline constexpr std::string_view kMailAlert = "mail.failed";
inline constexpr std::string_view kEventAlert = "event.failed";

// What was wrong with it is over.
void resolve_workstation_alerts(store::Transaction& tx, const std::string& id, std::string_view by, base::Instant now);
// The failure of a run becomes the workstation's error, and an alert.
void fail_workstation(store::Transaction& tx, const std::string& id, fleet::WorkstationStatus status,
                      const durable::BadEnd& end, const std::string& action);

// The input of every run on a workstation that is there.
struct WorkstationRequest {
  std::string workstation_id;
  std::optional<std::string> tier;  // of a change of tier
  OrderSource source;
};
SLIPWAY_JSON_CAMEL(WorkstationRequest, workstation_id, tier, source)

}  // namespace slipway::workflows
