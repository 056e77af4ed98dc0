#include "simulator/gateway.h"

#include "simulator/wire_format.h"

namespace slipway::simulator {

namespace {

// A pull without messages ends after this long; Google's is as long as its front end's patience.
constexpr std::chrono::seconds kWaitMax{20};
constexpr int kSlowPieces = 10;

bool speaks_google_json(const Route& route) { return route.service != "metadata" && route.service != "simulator"; }

std::string html_page(int status) {
  return "<!DOCTYPE html>\n<html lang=en>\n<title>Error " + std::to_string(status) + " (" +
         std::string(net::status_text(status)) + ")!!1</title>\n<p><b>" + std::to_string(status) +
         ".</b> <ins>That’s an error.</ins>\n<p>The server encountered a temporary error and could not complete your "
         "request.\n";
}

bool is_refusal(FaultKind kind) {
  switch (kind) {
    case FaultKind::quota:
    case FaultKind::permission:
    case FaultKind::already_exists:
    case FaultKind::aborted:
    case FaultKind::throttled:
    case FaultKind::server_error:
    case FaultKind::error:
    case FaultKind::unauthenticated:
      return true;
    default:
      return false;
  }
}

// The resource that a create would make, else that of the path: what a refusal names.
std::string name_for_refusal(const Call& call) {
  std::string name = call.name();
  for (const auto parameter : {"workstationId", "workstationConfigId", "workstationClusterId"}) {
    if (const std::string id = call.query(parameter); !id.empty()) return name + "/" + id;
  }
  return name;
}

}  // namespace

Gateway::Gateway(net::IoContext& io, World& world) : world_(world), changed_(io), stopping_(io) {
  add_control_routes(router_);
  add_identity_routes(router_);
  add_pubsub_routes(router_);
  add_workstations_routes(router_);
  add_compute_routes(router_);
}

void Gateway::stop() {
  stopped_ = true;
  changed_.notify_all();
  stopping_.notify_all();
}

net::Awaitable<void> Gateway::pause(double seconds) {
  if (!stopped_) co_await stopping_.wait_for(base::Duration(std::int64_t(seconds * 1000)));
}

net::Awaitable<void> Gateway::handle(net::Exchange& exchange) {
  world_.advance();
  Call call{.world = world_, .request = exchange.request(), .now = world_.now(), .number = ++numbers_};
  const Route* route = router_.find(call.request, call.parameters);
  if (!route) {
    const Failure failure(Code::not_found, "The requested URL " + call.request.path + " was not found on this server.");
    co_return co_await exchange.respond(net::json_response(404, error_body(failure)));
  }
  ++world_.counted[route->call];
  // Rules may be taken away while a call hangs: the call keeps its own copy.
  std::optional<FaultRule> fault;
  if (route->service != "simulator") {
    const FaultRule* rule =
        world_.faults.decide({route->service, route->call, net::to_string(call.request.method), call.request.path});
    if (rule) fault = *rule;
  }
  if (fault) call.fault = &*fault;
  co_await answer(exchange, *route, call);
}

net::Awaitable<void> Gateway::answer(net::Exchange& exchange, const Route& route, Call& call) {
  const FaultRule* fault = call.fault;
  if (fault && fault->kind == FaultKind::reset) {
    note(route, call, 0);
    co_return exchange.abandon();
  }
  if (fault && (fault->kind == FaultKind::hang || fault->kind == FaultKind::slow)) {
    note(route, call, 0);
    co_await pause(fault->delay_s);
    if (fault->kind == FaultKind::hang) co_return exchange.abandon();
    world_.advance();
  }
  if (route.waiting && !fault) co_return co_await answer_waiting(exchange, route, call);
  Outcome outcome = execute(route, call);
  note(route, call, outcome.response.status);
  if (route.service == "pubsub" || route.service == "simulator") changed_.notify_all();
  co_await send(exchange, std::move(outcome), fault);
}

// Everything that has an effect, without a pause in it.
Gateway::Outcome Gateway::execute(const Route& route, Call& call) {
  try {
    if (call.fault && is_refusal(call.fault->kind)) {
      if (call.fault->kind == FaultKind::server_error && call.fault->body == "html")
        return {{call.fault->status, {{"Content-Type", "text/html; charset=UTF-8"}}, html_page(call.fault->status)}};
      throw_refusal(*call.fault, route.service, world_.options.project, name_for_refusal(call));
    }
    check_access(route, call);
    if (route.service != "simulator") world_.count_request(route.service);
    Answer answer = route.handler ? route.handler(call) : *route.waiting(call, true);
    world_.record_effects(call.number, call.fault && loses_answer(call.fault->kind));
    return {render(route, call, std::move(answer)), true};
  } catch (const Failure& failure) {
    world_.record_effects(call.number, false);
    return refuse(route, failure);
  } catch (const base::Error& error) {
    return refuse(route, Failure(Code::invalid_argument, error.message()));
  }
}

Gateway::Outcome Gateway::refuse(const Route& route, const Failure& failure) const {
  net::Response response = net::json_response(
      failure.http(), route.service == "compute" ? compute_error_body(failure) : error_body(failure));
  response.headers.set("Content-Type", "application/json; charset=UTF-8");
  if (const auto after = failure.retry_after()) response.headers.set("Retry-After", std::to_string(after->count()));
  if (failure.code() == Code::unauthenticated)
    response.headers.set("WWW-Authenticate", "Bearer realm=\"https://accounts.google.com/\", error=\"invalid_token\"");
  if (route.access == Access::metadata) response.headers.set("Metadata-Flavor", "Google");
  return {std::move(response)};
}

void Gateway::check_access(const Route& route, Call& call) const {
  if (route.access == Access::metadata) {
    if (call.request.headers.get("X-Forwarded-For"))
      throw Failure(Code::permission_denied, "X-Forwarded-For is not allowed at the metadata server");
    if (call.request.headers.get("Metadata-Flavor") != "Google")
      throw Failure(Code::permission_denied, "Missing Metadata-Flavor:Google header");
  } else if (route.access == Access::bearer && !world_.options.open) {
    call.user = world_.identity.authenticate(call.request.headers.get("Authorization"), route.service, call.now).email;
  }
}

net::Response Gateway::render(const Route& route, const Call& call, Answer answer) const {
  net::Response response;
  response.status = answer.status;
  response.headers = std::move(answer.headers);
  if (answer.text) {
    response.headers.set("Content-Type", "application/text");
    response.body = std::move(*answer.text);
  } else {
    if (speaks_google_json(route)) {
      std::string mask = call.query("fields", call.query("$fields"));
      if (mask.empty()) mask = call.request.headers.get("X-Goog-FieldMask").value_or("");
      if (!mask.empty()) answer.body = select_fields(answer.body, mask);
      if (call.fault && call.fault->kind == FaultKind::unknown_state) obscure_states(answer.body);
      if (call.query("$alt").find("enum-encoding=int") != std::string::npos) number_enums(answer.body);
    }
    response.headers.set("Content-Type",
                         route.access == Access::metadata ? "application/json" : "application/json; charset=UTF-8");
    response.body = json::print_value(answer.body);
  }
  if (route.access == Access::metadata) {
    response.headers.set("Metadata-Flavor", "Google");
    response.headers.set("Server", "Metadata Server for VM");
  }
  return response;
}

// A call that has nothing to say yet: its head goes out, so that the caller's going is noticed, and what it waited for
// is not given to nobody.
net::Awaitable<void> Gateway::answer_waiting(net::Exchange& exchange, const Route& route, Call& call) {
  std::optional<Outcome> refused;
  std::optional<Answer> found;
  try {
    check_access(route, call);
    world_.count_request(route.service);
    found = route.waiting(call, stopped_);
  } catch (const Failure& failure) {
    refused = refuse(route, failure);
  } catch (const base::Error& error) {
    refused = refuse(route, Failure(Code::invalid_argument, error.message()));
  }
  note(route, call, refused ? refused->response.status : 200);
  if (refused) co_return co_await exchange.respond(std::move(refused->response));
  if (found) co_return co_await exchange.respond(render(route, call, std::move(*found)));
  net::Response head;
  head.headers.set("Content-Type", "application/json; charset=UTF-8");
  const auto stream = co_await exchange.start_stream(std::move(head));
  stream->on_closed([this] { changed_.notify_all(); });
  const base::Instant end = world_.now() + kWaitMax;
  while (!found && !stream->closed()) {
    const base::Instant now = world_.now();
    base::Instant wake = end;
    try {
      if (const auto next = world_.pubsub.next_delivery(call.name())) wake = std::min(wake, *next);
      if (wake > now) co_await changed_.wait_for(std::max(wake - now, base::Duration(1)));
      if (!stream->closed()) found = route.waiting(call, stopped_ || world_.now() >= end);
    } catch (const Failure&) {  // the subscription is gone
      found = Answer{};
    }
  }
  if (!found) co_return;
  co_await stream->write(render(route, call, std::move(*found)).body);
  co_await stream->finish();
}

net::Awaitable<void> Gateway::send(net::Exchange& exchange, Outcome outcome, const FaultRule* fault) {
  if (!fault || !outcome.effect) co_return co_await exchange.respond(std::move(outcome.response));
  net::Response& response = outcome.response;
  const std::string body = response.body;
  switch (fault->kind) {
    case FaultKind::hang_after:
      co_await pause(fault->delay_s);
      co_return exchange.abandon();
    case FaultKind::lost_answer:
      co_return exchange.abandon();
    case FaultKind::truncated_body:
      response.body.resize(body.size() / 2);
      co_await exchange.start_stream(std::move(response));  // dropped unfinished: the connection breaks
      co_return;
    case FaultKind::cut_json:
      response.body.resize(body.size() / 2);
      break;
    case FaultKind::slow_body: {
      response.body.clear();
      const auto stream = co_await exchange.start_stream(std::move(response));
      for (int i = 0; i < kSlowPieces && !stream->closed(); ++i) {
        co_await pause(fault->delay_s / kSlowPieces);
        const std::size_t from = body.size() * std::size_t(i) / kSlowPieces;
        const std::size_t to = body.size() * std::size_t(i + 1) / kSlowPieces;
        co_await stream->write(body.substr(from, to - from));
      }
      co_return co_await stream->finish();
    }
    case FaultKind::wrong_content_type:
      response.headers.set("Content-Type", "text/html; charset=UTF-8");
      break;
    default:
      break;
  }
  co_await exchange.respond(std::move(response));
}

void Gateway::note(const Route& route, const Call& call, int status) {
  if (route.service == "simulator") return;
  std::string fault;
  if (call.fault) fault = json::to_value(call.fault->kind).get_string();
  world_.note({call.number, call.now, route.call, std::string(net::to_string(call.request.method)), call.request.target,
               status, std::move(fault)});
}

}  // namespace slipway::simulator
