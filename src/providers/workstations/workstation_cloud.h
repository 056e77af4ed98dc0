#pragma once
// Workstations in Google's Cloud Workstations, in terms of what a workflow does with one (WP-5): every call may be
// repeated at any time, also after a crash in the middle of it, and ends with the same one workstation.
//
// The API has no request ids. A workstation's id is therefore chosen and recorded before the first call, and carried in
// its labels together with this hub's id: when a create answers ALREADY_EXISTS, what is there is looked at, and is
// adopted if it is ours.
//
// Calls block, for workers. Thread-safe. Errors: google/error.h, and NAME_TAKEN (conflict).

#include <map>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/json.h"
#include "durable/event.h"
#include "google/workstations_client.h"

namespace slipway::providers::workstations {

inline constexpr std::string_view kHubLabel = "slipway-hub";
inline constexpr std::string_view kWorkstationLabel = "slipway-workstation";

struct WorkstationSpec {
  std::string config;  // projects/…/workstationConfigs/starter
  std::string id;
  std::string display_name;
  std::map<std::string, std::string> labels;       // besides our own
  std::map<std::string, std::string> environment;  // the user's context: not for logs
  std::string source_workstation;                  // clone the home of this one; empty: a new home
  std::string name() const { return config + "/workstations/" + id; }
};

// What a look at something under way has found at its end.
struct Sighting {
  bool succeeded = false;
  std::string host;                         // of one that succeeded: where it is reached
  std::optional<durable::Failure> failure;  // of one that failed, with the class of google/error.h
  bool failed_for(base::ErrorClass error_class) const { return failure && failure->error_class == error_class; }
};
SLIPWAY_JSON_CAMEL(Sighting, succeeded, host, failure)

struct Look {
  std::optional<Sighting> end;  // nothing while it is under way
  std::string appearance;       // of the workstation, as it was seen
};

class WorkstationCloud {
 public:
  // `hub_id`: a label's value, different for each installation that shares a project.
  WorkstationCloud(google::WorkstationsClient& client, std::string hub_id)
      : client_(client), hub_id_(std::move(hub_id)) {}

  // Each gives the name of the operation to follow; empty when there is none, because an earlier call did it.

  // NAME_TAKEN when there is one of that name which is not ours.
  std::string create(const WorkstationSpec& spec, std::stop_token stop);
  std::string start(const std::string& name, std::stop_token stop);
  std::string stop(const std::string& name, std::stop_token stop);    // absent is fine
  std::string remove(const std::string& name, std::stop_token stop);  // absent is fine

  // Looks once. An operation that never ends does not hide that its work is done.
  Look look_created(const std::string& name, const std::string& operation, std::stop_token stop);
  Look look_running(const std::string& name, const std::string& operation, std::stop_token stop);
  Look look_stopped(const std::string& name, const std::string& operation, std::stop_token stop);
  Look look_gone(const std::string& name, const std::string& operation, std::stop_token stop);

  // For undoing: takes away what there may be, whatever of it was begun, and throws STILL_THERE (transient) until it is
  // gone. A creation whose answer was lost is waited for: it would be gone too early otherwise. What is not ours is
  // left alone.
  void take_away(const std::string& name, std::stop_token stop);

  // Everything of a config, other hubs' too. For the sweep.
  google::Listed<google::Workstation> list(const std::string& config, std::stop_token stop);
  bool is_ours(const google::Workstation& workstation) const;
  google::WorkstationAccess access_token(const std::string& name, base::Duration ttl, int port, std::stop_token stop);

  google::WorkstationsClient& client() { return client_; }
  const std::string& hub_id() const { return hub_id_; }

 private:
  // What became of an operation.
  struct Outcome {
    bool is_known = false;             // false: there is none to ask for, or it is forgotten, as they are after a while
    std::optional<Sighting> end = {};  // nothing while it is under way
    bool has_failed() const { return end && !end->succeeded; }
  };
  Outcome outcome(const std::string& operation, std::stop_token stop);
  std::optional<Sighting> judge(bool is_in_wrong_state, const std::string& operation, const std::string& what,
                                std::stop_token stop);
  bool is_being_made(const std::string& name, std::stop_token stop);

  google::WorkstationsClient& client_;
  const std::string hub_id_;
};

// One word for what is seen of a workstation: its state, and whether somebody is at work on it. "absent" if there is
// none. Changes exactly when a look is worth while.
std::string appearance(const std::optional<google::Workstation>& workstation);

}  // namespace slipway::providers::workstations
