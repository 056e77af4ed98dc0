#include "app/span_export.h"

#include <cstdlib>

#include "app/version.h"

namespace slipway::app {
namespace {

using namespace std::chrono_literals;

constexpr base::Duration kEvery = 1s;
constexpr base::Duration kPatience = 10s;  // with the collector: a batch that it does not take by then is dropped

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : "";
}

// As https://opentelemetry.io/docs/specs/otel/protocol/exporter/ has it: the general endpoint is a base, the one for
// traces is used as it is.
std::string find_endpoint() {
  if (auto own = variable("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"); !own.empty()) return own;
  auto general = variable("OTEL_EXPORTER_OTLP_ENDPOINT");
  if (general.empty()) return general;
  while (general.ends_with('/')) general.pop_back();
  return general + "/v1/traces";
}

// name=value,name=value; values are percent-encoded.
net::Headers find_headers() {
  net::Headers headers{{"Content-Type", "application/json"}};
  const auto text = variable("OTEL_EXPORTER_OTLP_HEADERS");
  for (std::size_t begin = 0; begin < text.size();) {
    const auto end = std::min(text.find(',', begin), text.size());
    const auto pair = text.substr(begin, end - begin);
    if (const auto equals = pair.find('='); equals != std::string::npos && equals > 0)
      headers.set(pair.substr(0, equals),
                  net::percent_decode(pair.substr(equals + 1)).value_or(pair.substr(equals + 1)));
    begin = end + 1;
  }
  return headers;
}

bool is_wait(durable::StepKind kind) { return kind == durable::StepKind::signal || kind == durable::StepKind::sleep; }

// Its span is that of its last attempt: what that called names it as its parent (Attempt::trace).
observe::Span span_of_step(const base::TraceContext& whole, const std::string& parent, const durable::StepState& step,
                           const base::RunId& id) {
  const auto attempt = std::to_string(std::max<std::int64_t>(1, step.attempts));
  observe::Span span{.context = whole.caused(id.str() + "/" + step.key + "#" + attempt),
                     .parent_span_id = parent,
                     .name = step.key,
                     .kind = is_wait(step.kind) ? observe::SpanKind::internal : observe::SpanKind::client,
                     .started_at = *step.started_at,
                     .ended_at = *step.ended_at,
                     .attributes = {{"slipway.run", id.str()},
                                    {"slipway.step.kind", boost::describe::enum_to_string(step.kind, "")},
                                    {"slipway.step.attempts", std::to_string(step.attempts)}},
                     .error = {}};
  if (step.status == durable::StepStatus::failed && step.failure)
    span.error = step.failure->code + ": " + step.failure->message;
  return span;
}

}  // namespace

SpanExport::SpanExport(net::IoContext& io, observe::Registry& metrics, const observe::Logger& log)
    : io_(io), log_(log), endpoint_(find_endpoint()), headers_(find_headers()), wake_(io) {
  if (endpoint_.empty()) return;
  auto service = variable("OTEL_SERVICE_NAME");
  if (service.empty()) service = "slipway";
  exporter_ = std::make_unique<observe::SpanExporter>(
      std::vector<std::pair<std::string, std::string>>{{"service.name", service},
                                                       {"service.version", std::string(kVersion)}},
      [this](std::string body, observe::SpanExporter::Sent sent) { send(std::move(body), std::move(sent)); });
  using Kind = observe::Registry::Kind;
  registrations_.push_back(metrics.read(Kind::counter, "slipway_spans_exported_total",
                                        "Spans that the collector has taken.", {},
                                        [this] { return double(exporter_->statistics().exported); }));
  registrations_.push_back(metrics.read(Kind::counter, "slipway_spans_dropped_total",
                                        "Spans that the collector did not take, or that were too many.", {},
                                        [this] { return double(exporter_->statistics().dropped); }));
  log_.info("spans are exported", {{"endpoint", endpoint_}});
}

void SpanExport::send(std::string body, observe::SpanExporter::Sent sent) {
  net::ClientRequest request{.method = net::Method::post,
                             .url = endpoint_,
                             .headers = headers_,
                             .body = std::move(body),
                             .timeout = kPatience};
  client_.send(std::move(request), [this, sent = std::move(sent), done = *sent_](net::ClientOutcome outcome) mutable {
    const bool ok = outcome && outcome->status >= 200 && outcome->status < 300;
    if (ok == told_) {  // news, in either direction
      told_ = !ok;
      if (ok)
        log_.info("the collector of spans answers again");
      else
        log_.warning("the collector of spans does not take them; they are dropped",
                     {{"endpoint", endpoint_},
                      {"reason", outcome ? "HTTP " + std::to_string(outcome->status) : outcome.error().message()}});
    }
    sent(ok);
    done.complete();
  });
}

void SpanExport::count(const durable::RunRecord& run, const durable::RunState& state) {
  if (!exporter_ || !state.is_final() || !state.ended_at) return;
  const auto cause = base::trace_from_text(run.trace);
  const auto whole = cause ? *cause : base::trace_of(run.id.str());
  observe::Span span{.context = whole.caused(run.id.str()),
                     .parent_span_id = cause ? cause->span_id : "",
                     .name = run.type,
                     .kind = observe::SpanKind::internal,
                     .started_at = run.started_at,
                     .ended_at = *state.ended_at,
                     .attributes = {{"slipway.run", run.id.str()},
                                    {"slipway.resource." + run.resource_type, run.resource_id},
                                    {"slipway.status", boost::describe::enum_to_string(state.status, "")}},
                     .error = {}};
  if (state.failure) span.error = state.failure->code + ": " + state.failure->message;
  const auto own = span.context.span_id;
  exporter_->add(std::move(span));
  for (const auto& step : state.steps)
    if (step.started_at && step.ended_at && !step.taken_over) exporter_->add(span_of_step(whole, own, step, run.id));
}

net::Awaitable<void> SpanExport::run() {
  while (exporter_ && !stopped_) {
    co_await wake_.wait_for(kEvery);
    co_await send_all();
  }
}

// One batch after another, until none waits; one that was not taken ends it, since those that follow would fare alike.
net::Awaitable<void> SpanExport::send_all() {
  const auto until = std::chrono::steady_clock::now() + kPatience;
  while (std::chrono::steady_clock::now() < until) {
    const auto before = exporter_->statistics();
    if (before.waiting == 0) co_return;
    sent_.emplace(io_);
    exporter_->flush();
    co_await sent_->wait();
    if (exporter_->statistics().exported == before.exported) co_return;
  }
}

void SpanExport::stop() {
  stopped_ = true;
  wake_.notify_all();
}

}  // namespace slipway::app
