#pragma once
// What the files of the runs' routes share: run_queries.cpp, run_events.cpp, run_actions.cpp.

#include "api/call.h"
#include "api/run_view.h"
#include "durable/journal.h"

namespace slipway::api {

inline constexpr std::string_view kRuns = "/v1/workflows/runs";

// The id in the path. What is no id names nothing: NOT_FOUND, as for one that is unknown.
base::RunId read_run_id(const Call& call);
// The run if the caller may see it; else there is none: NOT_FOUND.
durable::journal::Row visible_run(store::Transaction& tx, const Call& call, const base::RunId& id);
// With steps, links, and where it waits.
RunView full_view(store::Transaction& tx, Hub& hub, const durable::journal::Row& row);

// The last event and the status, by which If-Match compares, and then whatever else the view says.
std::string etag_of(const RunView& view);
// Throws PRECONDITION_FAILED when the caller looked at an older state, or expects another status.
void check_expectations(const Call& call, const durable::journal::Row& row, std::int64_t last_seq,
                        const std::optional<durable::RunStatus>& expected_status);

}  // namespace slipway::api
