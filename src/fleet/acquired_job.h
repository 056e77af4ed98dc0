#pragma once
// A job as its daemon gets it: with the secrets that it needs and no others (RUN-17).

#include "fleet/job.h"
#include "fleet/sealer.h"

namespace slipway::fleet {

AcquiredJob to_acquired(store::Transaction& tx, const Sealer& sealer, const Job& job);

}  // namespace slipway::fleet
