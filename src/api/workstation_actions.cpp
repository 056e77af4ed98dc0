// What is done to workstations: start, stop, another tier, offboarding, and access tokens.

#include "api/routes.h"
#include "api/workstation_view.h"
#include "durable/journal.h"
#include "net/event_loop.h"

namespace slipway::api {
namespace {

using fleet::Workstation;
using fleet::WorkstationStatus;
using Answer = net::Awaitable<std::optional<net::Response>>;

constexpr std::int64_t kTokenTtlMax = std::int64_t(24) * 3'600'000;  // the API's

struct ChangeWorkstation {
  std::string tier;
};
SLIPWAY_JSON_CAMEL(ChangeWorkstation, tier)
inline const json::Rules& json_rules(const ChangeWorkstation*) {
  static const json::Rules rules{
      {.member = "tier",
       .description = "One of GET /v1/tiers, with a disk no smaller. The workstation is stopped, made anew with its "
                      "home, and gets another id"}};
  return rules;
}

struct AskForToken {
  std::optional<base::Duration> ttl_ms;
  std::optional<std::int64_t> port;
};
SLIPWAY_JSON_CAMEL(AskForToken, ttl_ms, port)
inline const json::Rules& json_rules(const AskForToken*) {
  static const json::Rules rules{
      {.member = "ttl_ms", .description = "An hour, if not given", .minimum = 60'000, .maximum = kTokenTtlMax},
      {.member = "port", .description = "Good for this port only", .minimum = 1, .maximum = 65'535}};
  return rules;
}

struct WorkstationToken {
  base::Secret access_token;
  base::Instant expires_at;
  std::optional<std::string> launch_url;
};
SLIPWAY_JSON_CAMEL(WorkstationToken, access_token, expires_at, launch_url)
inline const json::Rules& json_rules(const WorkstationToken*) {
  static const json::Rules rules{
      {.member = "access_token", .description = "For `Authorization: Bearer` at the workstation's host"}};
  return rules;
}

const std::string& id_of(const Call& call) { return call.parameters.at(0); }

durable::RunRecord make_run(Call& call, std::string_view type, std::optional<std::string> tier = {}) {
  workflows::WorkstationRequest request{
      .workstation_id = id_of(call), .tier = std::move(tier), .source = source_of(call)};
  return call.hub.engine.make_record({.type = std::string(type),
                                      .resource_type = "workstation",
                                      .resource_id = id_of(call),
                                      .triggered_by = call.caller->user.str(),
                                      .owner_id = {},
                                      .input = json::to_value(request),
                                      .trace = call.trace_text()});
}

// One run at a time. `check` refuses what the state does not allow.
template <class Check>
Answer change(Call& call, durable::RunRecord run, WorkstationStatus status, Check check) {
  auto committed = co_await commit(call, [&](store::Transaction& tx) {
    auto workstation = fleet::get_workstation(tx, call.caller->scope(), id_of(call));
    check_if_match(call, "workstation", workstation.version, etag(workstation));
    check(workstation);
    // Not only the run in progress: one that was cut short may still be undoing.
    for (const auto& other : durable::journal::unfinished_on(tx, workstation.id))
      if (other.record.type != workflows::kProvisionType || workstation.run_id)
        throw base::invalid_state("run " + other.record.id.str() +
                                  " is at work on this workstation; wait for it or cancel it");
    return begin_run(call, tx, workstation, run, status);
  });
  if (committed.replayed) co_return std::move(committed.answer);
  co_return co_await launch(call, run, std::move(committed.answer));
}

void require_not_gone(const Workstation& workstation) {
  if (workstation.status == WorkstationStatus::deleted) throw base::invalid_state("the workstation was taken away");
}

// That there is a machine to do it to.
void require_made(const Workstation& workstation) {
  require_not_gone(workstation);
  if (workstation.status == WorkstationStatus::lost)
    throw base::invalid_state("the cloud does not have the workstation any more");
  if (!workstation.gcp_workstation_id)
    throw base::invalid_state("the workstation was never made; retry its provisioning");
}

Answer start(Call& call) {
  parse_query<NoQuery>(call);
  parse_body<NoBody>(call);
  cloud_of(call);
  return change(call, make_run(call, workflows::WorkstationStart::kType), WorkstationStatus::starting,
                [](const Workstation& workstation) {
                  require_made(workstation);
                  if (workstation.status == WorkstationStatus::running)
                    throw base::invalid_state("the workstation is running");
                });
}

Answer stop(Call& call) {
  parse_query<NoQuery>(call);
  parse_body<NoBody>(call);
  cloud_of(call);
  return change(call, make_run(call, workflows::WorkstationStop::kType), WorkstationStatus::stopping,
                [](const Workstation& workstation) {
                  require_made(workstation);
                  if (workstation.status == WorkstationStatus::stopped)
                    throw base::invalid_state("the workstation is stopped");
                });
}

Answer change_tier(Call& call) {
  parse_query<NoQuery>(call);
  const auto request = parse_body<ChangeWorkstation>(call);
  const auto& tier = cloud_of(call).tiers.get(request.tier);
  return change(call, make_run(call, workflows::WorkstationChangeTier::kType, tier.name), WorkstationStatus::stopping,
                [&tier](const Workstation& workstation) {
                  require_made(workstation);
                  if (workstation.tier == tier.name)
                    throw base::invalid_state("the workstation is of tier '" + tier.name + "' already");
                  if (tier.disk_gb < workstation.boot_disk_size_gb)
                    throw base::validation_error("tier", "has a smaller disk than the workstation's home needs");
                });
}

// A provisioning that is under way is cancelled, which takes away what it made; everything else is offboarded.
Answer remove(Call& call) {
  parse_query<NoQuery>(call);
  cloud_of(call);
  auto run = make_run(call, workflows::WorkstationOffboard::kType);
  std::function<void()> tell;
  bool joined = false;
  auto committed = co_await commit(call, [&](store::Transaction& tx) {
    tell = nullptr;
    joined = false;
    auto workstation = fleet::get_workstation(tx, call.caller->scope(), id_of(call));
    check_if_match(call, "workstation", workstation.version, etag(workstation));
    require_not_gone(workstation);
    const auto working = workstation.run_id ? durable::journal::find(tx, *workstation.run_id) : std::nullopt;
    if (!working) return begin_run(call, tx, workstation, run, WorkstationStatus::deleting);
    joined = true;
    if (working->record.type == workflows::kProvisionType)
      tell = call.hub.engine.insert_cancel(tx, working->record.id, call.caller->user.str());
    else if (working->record.type != workflows::WorkstationOffboard::kType)
      throw base::invalid_state("run " + working->record.id.str() +
                                " is at work on this workstation; wait for it or cancel it");
    return Deed{.answer = accepted(call, working->record, "workstation", json::to_value(workstation), std::nullopt),
                .action = run.type,
                .resource_type = "workstation",
                .resource_id = workstation.id,
                .details = json::Object{{"run", working->record.id.str()}}};
  });
  if (tell && !committed.replayed) tell();
  if (committed.replayed || joined) co_return std::move(committed.answer);
  co_return co_await launch(call, run, std::move(committed.answer));
}

void check_running(const Workstation& workstation) {
  if (workstation.status != WorkstationStatus::running) throw base::invalid_state("the workstation is not running");
}

Answer access_token(Call& call) {
  parse_query<NoQuery>(call);
  const auto request = parse_body<AskForToken>(call);
  const auto& services = cloud_of(call);
  std::optional<Workstation> workstation;
  const auto look = [&](store::Transaction& tx) {
    workstation = fleet::get_workstation(tx, call.caller->scope(), id_of(call));
    check_running(*workstation);
  };
  if (auto earlier = co_await look_unless_answered(call, look)) co_return std::move(*earlier);
  const auto made = co_await net::run_blocking(call.hub.io, call.hub.workers, [&] {
    return services.cloud.access_token(workstation->resource_name(), request.ttl_ms.value_or(base::Duration(0)),
                                       int(request.port.value_or(0)), {});
  });
  const WorkstationToken token{made.token, made.expires_at, workstation->launch_url};
  auto committed = co_await commit(call, [&](store::Transaction& tx) {
    const auto now = fleet::get_workstation(tx, call.caller->scope(), id_of(call));
    check_running(now);
    Deed deed{.answer = call.success(200, json::to_value(token, json::Secrets::revealed)),
              .action = "workstation.access-token",
              .resource_type = "workstation",
              .resource_id = now.id};
    deed.answer.headers.set("Cache-Control", "no-store");
    return deed;
  });
  co_return std::move(committed.answer);
}

}  // namespace

void add_workstation_actions(Router& router) {
  const std::string tag = "Workstations";
  router.add(net::Method::post, "/v1/workstations/:id/start", Permission::member, start,
             {.id = "startWorkstation",
              .tag = tag,
              .summary = "Starts the machine",
              .body = optional_body_of<NoBody>(),
              .answer = one<AcceptedWorkstation>(202),
              .if_match = true,
              .prefer_wait = true});
  router.add(net::Method::post, "/v1/workstations/:id/stop", Permission::member, stop,
             {.id = "stopWorkstation",
              .tag = tag,
              .summary = "Stops the machine; its home is kept",
              .body = optional_body_of<NoBody>(),
              .answer = one<AcceptedWorkstation>(202),
              .if_match = true,
              .prefer_wait = true});
  router.add(net::Method::patch, "/v1/workstations/:id", Permission::admin, change_tier,
             {.id = "changeWorkstation",
              .tag = tag,
              .summary = "Moves it to another tier",
              .body = body_of<ChangeWorkstation>(),
              .answer = one<AcceptedWorkstation>(202),
              .if_match = true,
              .prefer_wait = true});
  router.add(net::Method::del, "/v1/workstations/:id", Permission::admin, remove,
             {.id = "deleteWorkstation",
              .tag = tag,
              .summary = "Takes the machine and its home away",
              .description = "A provisioning that is under way is cancelled, which undoes what it did.",
              .answer = one<AcceptedWorkstation>(202),
              .if_match = true,
              .prefer_wait = true});
  router.add(net::Method::post, "/v1/workstations/:id/access-token", Permission::member, access_token,
             {.id = "createWorkstationToken",
              .tag = tag,
              .summary = "A short-lived token for the workstation's own addresses",
              .body = optional_body_of<AskForToken>(),
              .answer = one<WorkstationToken>(),
              .errors = {409, 503}});
}

}  // namespace slipway::api
