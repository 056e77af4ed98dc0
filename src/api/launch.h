#pragma once
// Starting a run from a request, and answering 202 for it (WF-11, WF-43).

#include "api/call.h"
#include "api/commit.h"
#include "durable/engine.h"

namespace slipway::api {

// Data, Location and Retry-After of the answer. `subject` is the resource under its name ("workspace").
net::Response accepted(const Call& call, const durable::RunRecord& run, std::string_view name,
                       const json::Value& subject, std::optional<base::Duration> usual_duration);

// Waits as long as `Prefer: wait=N` asks for the run's end, and puts the run as it is then into the answer.
net::Awaitable<net::Response> wait_for_end(Call& call, base::RunId run, net::Response answer);

// After the commit: hands the run to the engine, and waits for its end if that is wished.
net::Awaitable<net::Response> launch(Call& call, durable::RunRecord run, net::Response answer);

}  // namespace slipway::api
