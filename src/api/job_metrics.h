#pragma once
// How jobs of provisioners end, for Prometheus and for collectors of traces (RUN-18). By the replica that was told.

#include <span>

#include "fleet/job.h"
#include "observe/metrics.h"
#include "observe/span_exporter.h"

namespace slipway::api {

struct Hub;

// What is to be done, after the commit, about jobs that have ended or go on otherwise, by whomever: wakes those who
// wait for them and the daemons that their going may serve; counts and traces those that have ended.
void tell_moved(Hub& hub, std::span<const fleet::Job> jobs);

// `job` as it became. One that waits for another attempt has not ended and is not counted.
void count_end(observe::Registry& metrics, const fleet::Job& job);

// A span of the job, within its run's, and one of each of its phases. What its provisioner called names the job's span
// as its parent (Config::trace).
void trace_end(observe::SpanExporter& spans, const fleet::Job& job);

}  // namespace slipway::api
