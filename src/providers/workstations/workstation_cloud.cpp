#include "providers/workstations/workstation_cloud.h"

#include "google/resource_name.h"

namespace slipway::providers::workstations {
namespace {

using base::Error;
using base::ErrorClass;
using google::WorkstationState;

constexpr base::Duration kLookAgain{2'000};  // at what is being taken away

// FAILED_PRECONDITION says that it is not in the state for it now: another call was faster, and a later one will do.
template <class Call>
std::string unless_busy(const Call& call) {
  try {
    return call().name;
  } catch (const Error& error) {
    if (error.code() != "FAILED_PRECONDITION") throw;
    throw Error(ErrorClass::transient, "BUSY", "it is in another state just now: " + error.message(), error.details());
  }
}

Sighting success(std::string host) { return {.succeeded = true, .host = std::move(host), .failure = {}}; }

Sighting failure(ErrorClass error_class, std::string code, std::string message) {
  return {.succeeded = false,
          .host = {},
          .failure = durable::to_failure(Error(error_class, std::move(code), std::move(message)))};
}

Error still_there(const std::string& name) {
  return Error(ErrorClass::transient, "STILL_THERE", name + " is being taken away").with_retry_after(kLookAgain);
}

std::string text_of(const json::Value& metadata, std::string_view member) {
  const auto* object = metadata.if_object();
  const auto* value = object != nullptr ? object->if_contains(member) : nullptr;
  return value != nullptr && value->is_string() ? std::string(value->as_string()) : std::string();
}

}  // namespace

std::string appearance(const std::optional<google::Workstation>& workstation) {
  if (!workstation) return "absent";
  return workstation->state_text + (workstation->reconciling ? "+" : "");
}

bool WorkstationCloud::is_ours(const google::Workstation& workstation) const {
  const auto hub = workstation.labels.find(std::string(kHubLabel));
  return hub != workstation.labels.end() && hub->second == hub_id_;
}

bool WorkstationCloud::is_being_made(const std::string& name, std::stop_token stop) {
  const auto parsed = google::parse_workstation_name(name);
  SLIPWAY_ASSERT(parsed.has_value());
  for (const auto& operation : client_.operations().list(parsed->parent().parent().parent().str(), stop))
    if (!operation.done && text_of(operation.metadata, "target") == name &&
        text_of(operation.metadata, "verb") == "create")
      return true;
  return false;
}

std::string WorkstationCloud::create(const WorkstationSpec& spec, std::stop_token stop) {
  google::Workstation workstation{.name = spec.name(),
                                  .display_name = spec.display_name,
                                  .labels = spec.labels,
                                  .env = spec.environment,
                                  .source_workstation = spec.source_workstation};
  workstation.labels[std::string(kHubLabel)] = hub_id_;
  workstation.labels[std::string(kWorkstationLabel)] = spec.id;
  try {
    return unless_busy([&] { return client_.create_workstation(spec.config, spec.id, workstation, stop); });
  } catch (const Error& error) {
    if (error.code() != "ALREADY_EXISTS") throw;
  }
  auto there = client_.find_workstation(spec.name(), stop);
  if (!there) {
    if (is_being_made(spec.name(), stop)) return {};
    there = client_.find_workstation(spec.name(), stop);  // it may have been made between the two looks
  }
  const auto label = there ? there->labels.find(std::string(kWorkstationLabel)) : decltype(there->labels.end()){};
  if (there && is_ours(*there) && label != there->labels.end() && label->second == spec.id) return {};
  throw Error(ErrorClass::conflict, "NAME_TAKEN", "the cloud has a workstation '" + spec.id + "' that is not this one");
}

std::string WorkstationCloud::start(const std::string& name, std::stop_token stop) {
  const auto there = client_.get_workstation(name, stop);
  if (there.state == WorkstationState::running || there.state == WorkstationState::starting) return {};
  return unless_busy([&] { return client_.start_workstation(name, {}, stop); });
}

std::string WorkstationCloud::stop(const std::string& name, std::stop_token stop) {
  const auto there = client_.find_workstation(name, stop);
  if (!there || there->state == WorkstationState::stopped || there->state == WorkstationState::stopping) return {};
  return unless_busy([&] { return client_.stop_workstation(name, {}, stop); });
}

std::string WorkstationCloud::remove(const std::string& name, std::stop_token stop) {
  try {
    return unless_busy([&] { return client_.remove_workstation(name, {}, stop); });
  } catch (const Error& error) {
    if (error.code() != "NOT_FOUND") throw;
    return {};
  }
}

WorkstationCloud::Outcome WorkstationCloud::outcome(const std::string& operation, std::stop_token stop) {
  if (operation.empty()) return {};
  const auto found = client_.operations().find(operation, stop);
  if (!found) return {};
  if (!found->done) return {.is_known = true};
  if (!found->error) return {.is_known = true, .end = success({})};
  const google::Call call{.service = "workstations", .name = "operations.get", .path = "/v1/" + operation};
  return {.is_known = true,
          .end = Sighting{
              .succeeded = false, .host = {}, .failure = durable::to_failure(google::to_error(call, *found->error))}};
}

// What to say of one that is in `wrong` state: an operation that is under way may still change it. Without one that is,
// what was begun has come to nothing, and is begun again.
std::optional<Sighting> WorkstationCloud::judge(bool is_in_wrong_state, const std::string& operation,
                                                const std::string& what, std::stop_token stop) {
  const auto ended = outcome(operation, stop);
  if (ended.has_failed()) return ended.end;
  if (is_in_wrong_state && (ended.end || !ended.is_known)) return failure(ErrorClass::transient, "UNDONE", what);
  return std::nullopt;
}

Look WorkstationCloud::look_created(const std::string& name, const std::string& operation, std::stop_token stop) {
  const auto there = client_.find_workstation(name, stop);
  Look look{.end = {}, .appearance = appearance(there)};
  if (there && !is_ours(*there)) {
    look.end = failure(ErrorClass::conflict, "NAME_TAKEN", name + " is somebody else's");
  } else if (there && !there->reconciling) {
    look.end = success(there->host);
  } else {
    look.end = judge(!there, operation, "the workstation was made and is not there", stop);
    // Its operation's name was lost with an answer, and it is not seen yet.
    if (look.end && operation.empty() && is_being_made(name, stop)) look.end.reset();
  }
  return look;
}

Look WorkstationCloud::look_running(const std::string& name, const std::string& operation, std::stop_token stop) {
  const auto there = client_.find_workstation(name, stop);
  Look look{.end = {}, .appearance = appearance(there)};
  if (!there) {
    look.end = failure(ErrorClass::conflict, "VANISHED", "somebody took the workstation away while it started");
  } else if (there->state == WorkstationState::running) {
    look.end = success(there->host);
  } else {
    look.end = judge(there->state == WorkstationState::stopped, operation, "it started and is stopped again", stop);
  }
  return look;
}

Look WorkstationCloud::look_stopped(const std::string& name, const std::string& operation, std::stop_token stop) {
  const auto there = client_.find_workstation(name, stop);
  Look look{.end = {}, .appearance = appearance(there)};
  if (!there || there->state == WorkstationState::stopped) {
    look.end = success({});
  } else {
    look.end = judge(there->state == WorkstationState::running, operation, "it stopped and runs again", stop);
  }
  return look;
}

Look WorkstationCloud::look_gone(const std::string& name, const std::string& operation, std::stop_token stop) {
  const auto there = client_.find_workstation(name, stop);
  Look look{.end = {}, .appearance = appearance(there)};
  if (!there) {
    look.end = success({});
  } else {
    look.end = judge(!there->reconciling, operation, "it was taken away and is still there", stop);
  }
  return look;
}

void WorkstationCloud::take_away(const std::string& name, std::stop_token stop) {
  const auto there = client_.find_workstation(name, stop);
  if (!there) {
    if (is_being_made(name, stop)) throw still_there(name);
    return;
  }
  if (!is_ours(*there)) return;
  remove(name, stop);
  throw still_there(name);
}

google::Listed<google::Workstation> WorkstationCloud::list(const std::string& config, std::stop_token stop) {
  return client_.list_workstations(config, {}, stop);
}

google::WorkstationAccess WorkstationCloud::access_token(const std::string& name, base::Duration ttl, int port,
                                                         std::stop_token stop) {
  return client_.generate_access_token(name, ttl, port, stop);
}

}  // namespace slipway::providers::workstations
