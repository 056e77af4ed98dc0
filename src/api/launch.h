#pragma once
// Starting a run from a request, and answering 202 for it (WF-11, WF-43).

#include "api/call.h"
#include "api/commit.h"
#include "durable/engine.h"

namespace slipway::api {

// Data, Location and Retry-After of the answer. `subject` is the resource under its name ("workspace").
net::Response accepted(const Call& call, const durable::RunRecord& run, std::string_view name,
                       const json::Value& subject, std::optional<base::Duration> usual_duration);

// After the commit: hands the run to the engine, and waits as long as `Prefer: wait=N` asks for its end. Gives the
// answer with the run as it is then.
net::Awaitable<net::Response> launch(Call& call, durable::RunRecord run, net::Response answer);

}  // namespace slipway::api
