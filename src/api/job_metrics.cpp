#include "api/job_metrics.h"

#include "api/call.h"
#include "api/change_stream.h"
#include "api/job_bells.h"
#include "base/enum_name.h"

namespace slipway::api {
namespace {

// From a dry run of next to nothing to a cluster.
const std::vector<double> kBuckets{1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1'200, 1'800, 3'600, 7'200};

using base::name_of;

}  // namespace

void tell_moved(Hub& hub, std::span<const fleet::Job> jobs) {
  if (jobs.empty()) return;
  for (const auto& job : jobs) {
    hub.job_bells.ring(job.id.str());
    count_end(hub.metrics, job);
    if (hub.spans != nullptr) trace_end(*hub.spans, job);
  }
  hub.job_bells.ring(std::string(fleet::kBellEnds));
  hub.job_bells.ring(std::string(fleet::kBellQueue));
  hub.changes.look();
}

void count_end(observe::Registry& metrics, const fleet::Job& job) {
  if (!job.ended_at) return;
  const auto status = name_of(job.status);
  if (job.started_at)
    metrics
        .histogram("slipway_provisioner_job_duration_seconds",
                   "Provisioner jobs, from when a daemon first took them to their end.", kBuckets,
                   {{"provisioner", job.provisioner}, {"type", name_of(job.type)}, {"status", status}})
        .observe(std::chrono::duration<double>(*job.ended_at - *job.started_at).count());
  if (job.dead_letter)
    metrics
        .counter("slipway_provisioner_jobs_given_up_total",
                 "Provisioner jobs given up after their attempts, or because no daemon could take them.",
                 {{"provisioner", job.provisioner}})
        .increment();
}

void trace_end(observe::SpanExporter& spans, const fleet::Job& job) {
  const auto whole = base::trace_from_text(job.trace);
  if (!job.ended_at || !job.started_at || !whole) return;
  observe::Span span{.context = whole->caused(job.id.str()),
                     .parent_span_id = whole->caused(job.run_id.str()).span_id,
                     .name = "job " + name_of(job.type),
                     .kind = observe::SpanKind::internal,
                     .started_at = *job.started_at,
                     .ended_at = *job.ended_at,
                     .attributes = {{"slipway.job", job.id.str()},
                                    {"slipway.provisioner", job.provisioner},
                                    {"slipway.daemon", job.daemon_name},
                                    {"slipway.attempt", std::to_string(job.attempt)},
                                    {"slipway.status", name_of(job.status)}},
                     .error = {}};
  if (job.error && job.status != fleet::JobStatus::succeeded) span.error = job.error->what();
  const auto parent = span.context.span_id;
  spans.add(std::move(span));
  for (std::size_t i = 0; i < job.timings.size(); ++i) {
    const auto& phase = job.timings[i];
    spans.add({.context = whole->caused(job.id.str() + "/" + std::to_string(i)),
               .parent_span_id = parent,
               .name = phase.stage,
               .kind = observe::SpanKind::internal,
               .started_at = phase.started_at,
               .ended_at = phase.ended_at,
               .attributes = {{"slipway.job", job.id.str()}},
               .error = {}});
  }
}

}  // namespace slipway::api
