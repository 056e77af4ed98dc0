// What steers and watches the simulator itself: /simulator/… Nobody needs credentials for it.

#include "simulator/router.h"

namespace slipway::simulator {

namespace {

constexpr std::size_t kLedgerPageDefault = 100'000;  // a test wants all of it

Answer ledger(Call& call) {
  const std::int64_t after = std::atoll(call.query("after", "0").c_str());
  const std::size_t limit = std::size_t(std::atoll(call.query("limit", std::to_string(kLedgerPageDefault)).c_str()));
  const std::string effect = call.query("effect"), resource = call.query("resource");
  json::Array entries;
  for (const auto& entry : call.world.ledger.entries()) {
    if (entry.sequence <= after || entries.size() >= limit) continue;
    if (!effect.empty() && entry.effect != effect) continue;
    if (!resource.empty() && entry.resource != resource) continue;
    entries.push_back(json::to_value(entry));
  }
  return {.body = json::Object{{"entries", std::move(entries)}}};
}

Answer machines(Call& call) {
  const WorkstationsState& state = call.world.workstations.state();
  json::Array now, ever;
  for (const auto& [name, resource] : state.resources) {
    if (resource.kind != Kind::workstation) continue;
    now.push_back(to_wire(resource));
    ever.push_back(json::Object{{"name", name},
                                {"uid", resource.uid},
                                {"createTime", wire_time(resource.create_time)},
                                {"deleteTime", nullptr}});
  }
  for (const auto& gone : state.departed) {
    ever.push_back(json::Object{{"name", gone.name},
                                {"uid", gone.uid},
                                {"createTime", wire_time(gone.create_time)},
                                {"deleteTime", wire_time(gone.delete_time)}});
  }
  return {.body = json::Object{{"now", std::move(now)}, {"ever", std::move(ever)}}};
}

Answer status(Call& call) {
  json::Object requests;
  std::int64_t total = 0;
  for (const auto& [name, count] : call.world.counted) {
    requests[name] = count;
    total += count;
  }
  return {.body = json::Object{{"project", call.world.options.project},
                               {"region", call.world.options.region},
                               {"now", base::format_rfc3339(call.world.now())},
                               {"requests", std::move(requests)},
                               {"requests_total", total},
                               {"faults", call.world.faults.to_json().get_object().at("rules")}}};
}

Answer add_faults(Call& call) {
  call.world.faults.add(json::parse_value(call.request.body));
  return {.body = call.world.faults.to_json()};
}

Answer set_quotas(Call& call) {
  try {
    call.world.workstations.set_quotas(json::from_value<Quotas>(call.body()));
  } catch (const base::Error& error) {
    throw Failure(Code::invalid_argument, error.message());
  }
  return {.body = json::to_value(call.world.workstations.quotas())};
}

Answer skip_time(Call& call) {
  const json::Value body = call.body();
  const json::Value* seconds = body.get_object().if_contains("advance_s");
  if (!seconds || !seconds->is_int64() || seconds->get_int64() < 0)
    throw invalid_argument("advance_s", "expected seconds, none of them negative");
  call.world.skip(std::chrono::seconds(seconds->get_int64()));
  call.world.advance();
  return {.body = json::Object{{"now", base::format_rfc3339(call.world.now())}}};
}

Answer own_token(Call& call) {
  const Identity& identity = call.world.identity;
  const std::string token = identity.access_token({identity.service_account()}, call.now, identity.token_lifetime());
  return {.body = json::Object{{"access_token", token}, {"expires_in", identity.token_lifetime().count()}}};
}

Answer subject_token(Call& call) {
  const auto lifetime = std::chrono::hours(1);
  return {.body = json::Object{{"token", call.world.identity.subject_token(call.now, lifetime)}}};
}

}  // namespace

void add_control_routes(Router& router) {
  const auto add = [&](std::string method, std::string name, Route::Handler handler) {
    router.add({.method = std::move(method),
                .pattern = "/simulator/" + name,
                .service = "simulator",
                .call = "simulator." + name,
                .access = Access::open,
                .handler = std::move(handler)});
  };
  add("GET", "status", status);
  add("GET", "ledger", ledger);
  add("GET", "machines", machines);
  add("GET", "faults", [](Call& call) -> Answer { return {.body = call.world.faults.to_json()}; });
  add("POST", "faults", add_faults);
  add("DELETE", "faults", [](Call& call) -> Answer {
    call.world.faults.clear();
    return {.body = call.world.faults.to_json()};
  });
  add("GET", "quotas", [](Call& call) -> Answer { return {.body = json::to_value(call.world.workstations.quotas())}; });
  add("POST", "quotas", set_quotas);
  add("POST", "clock", skip_time);
  add("GET", "requests", [](Call& call) -> Answer {
    json::Array all;
    for (const auto& note : call.world.requests) all.push_back(json::to_value(note));
    return {.body = json::Object{{"requests", std::move(all)}}};
  });
  add("POST", "revoke-tokens", [](Call& call) -> Answer {
    call.world.identity.revoke_all();
    call.world.changed();
    return {};
  });
  add("GET", "token", own_token);
  add("GET", "subject-token", subject_token);
}

}  // namespace slipway::simulator
