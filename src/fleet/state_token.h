#pragma once
// What Terraform shows to write the state of a job: user `job`, this as its password. It is good for that job under
// that fence and is derived from the sealing key, so that nothing is stored.

#include <optional>
#include <string>
#include <string_view>

#include "base/id.h"
#include "fleet/sealer.h"

namespace slipway::fleet {

base::Secret make_state_token(const Sealer& sealer, const base::JobId& job, std::int64_t fence);
// The fence that it was made for; none when it is not a token of that job. Takes the same time for every wrong one.
std::optional<std::int64_t> state_token_fence(const Sealer& sealer, const base::JobId& job, std::string_view token);

}  // namespace slipway::fleet
