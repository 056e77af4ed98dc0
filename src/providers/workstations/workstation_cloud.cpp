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
    return client_.create_workstation(spec.config, spec.id, workstation, stop).name;
  } catch (const Error& error) {
    if (error.code() != "ALREADY_EXISTS") throw;
  }
  const auto there = client_.find_workstation(spec.name(), stop);
  const auto label = there ? there->labels.find(std::string(kWorkstationLabel)) : decltype(there->labels.end()){};
  if (there && is_ours(*there) && label != there->labels.end() && label->second == spec.id) return {};
  if (!there && is_being_made(spec.name(), stop)) return {};
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

std::optional<Sighting> WorkstationCloud::outcome(const std::string& operation, std::stop_token stop) {
  if (operation.empty()) return std::nullopt;
  const auto found = client_.operations().find(operation, stop);
  if (!found || !found->done) return std::nullopt;
  if (!found->error) return success({});
  const google::Call call{.service = "workstations", .name = "operations.get", .path = "/v1/" + operation};
  return Sighting{
      .succeeded = false, .host = {}, .failure = durable::to_failure(google::to_error(call, *found->error))};
}

Look WorkstationCloud::look_created(const std::string& name, const std::string& operation, std::stop_token stop) {
  const auto there = client_.find_workstation(name, stop);
  Look look{.end = {}, .appearance = appearance(there)};
  if (there && !there->reconciling) {
    look.end = success(there->host);
    return look;
  }
  const auto ended = outcome(operation, stop);
  if (ended && !ended->succeeded)
    look.end = ended;
  else if (!there && (ended || operation.empty()) && !is_being_made(name, stop))
    look.end = failure(ErrorClass::transient, "VANISHED", "the workstation was made and is not there");
  return look;
}

Look WorkstationCloud::look_running(const std::string& name, const std::string& operation, std::stop_token stop) {
  const auto there = client_.find_workstation(name, stop);
  Look look{.end = {}, .appearance = appearance(there)};
  if (!there) {
    look.end = failure(ErrorClass::conflict, "VANISHED", "somebody took the workstation away while it started");
  } else if (there->state == WorkstationState::running) {
    look.end = success(there->host);
  } else if (const auto ended = outcome(operation, stop)) {
    if (!ended->succeeded)
      look.end = ended;
    else if (there->state == WorkstationState::stopped)
      look.end = failure(ErrorClass::transient, "STOPPED_AGAIN", "the workstation started and stopped at once");
  }
  return look;
}

Look WorkstationCloud::look_stopped(const std::string& name, const std::string& operation, std::stop_token stop) {
  const auto there = client_.find_workstation(name, stop);
  Look look{.end = {}, .appearance = appearance(there)};
  if (!there || there->state == WorkstationState::stopped)
    look.end = success({});
  else if (const auto ended = outcome(operation, stop); ended && !ended->succeeded)
    look.end = ended;
  return look;
}

Look WorkstationCloud::look_gone(const std::string& name, const std::string& operation, std::stop_token stop) {
  const auto there = client_.find_workstation(name, stop);
  Look look{.end = {}, .appearance = appearance(there)};
  if (!there)
    look.end = success({});
  else if (const auto ended = outcome(operation, stop); ended && !ended->succeeded)
    look.end = ended;
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
