#pragma once
// Spans of what the hub does, sent to the collector that OpenTelemetry's own environment names:
// OTEL_EXPORTER_OTLP_TRACES_ENDPOINT, or OTEL_EXPORTER_OTLP_ENDPOINT with /v1/traces; OTEL_EXPORTER_OTLP_HEADERS;
// OTEL_SERVICE_NAME. Without an endpoint nothing is kept or sent.

#include <memory>
#include <string>

#include "durable/execution.h"
#include "durable/run_state.h"
#include "net/asio.h"
#include "net/http_client.h"
#include "observe/log.h"
#include "observe/metrics.h"
#include "observe/span_exporter.h"

namespace slipway::app {

class SpanExport {
 public:
  SpanExport(net::IoContext& io, observe::Registry& metrics, const observe::Logger& log);

  // Null where nobody collects.
  observe::SpanExporter* exporter() { return exporter_.get(); }
  // The run and its steps, once it has ended.
  void count(const durable::RunRecord& run, const durable::RunState& state);
  // Sends now and then all that waits, until `stop`; what is left then is sent as far as the collector takes it, for
  // kPatience and the batch that is under way then at most.
  net::Awaitable<void> run();
  void stop();

 private:
  void send(std::string body, observe::SpanExporter::Sent sent);
  net::Awaitable<void> send_all();

  net::IoContext& io_;
  const observe::Logger& log_;
  std::string endpoint_;
  net::Headers headers_;
  std::unique_ptr<observe::SpanExporter> exporter_;
  std::vector<observe::Registry::Registration> registrations_;
  net::Signal wake_;
  bool stopped_ = false;
  std::optional<net::Completion> sent_;  // of the batch that is under way
  bool told_ = false;       // that the collector does not answer; guarded by being used on the client's thread only
  net::HttpClient client_;  // last: its end waits for its callbacks
};

}  // namespace slipway::app
