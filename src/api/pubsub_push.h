#pragma once
// What the push endpoint needs, where it is configured (WP-1).

#include <string>

#include "google/oidc_verifier.h"
#include "workflows/workstation_intake.h"

namespace slipway::api {

struct PubsubPush {
  google::OidcVerifier& verifier;  // of the audience and service account that were configured
  workflows::WorkstationIntake& intake;
  std::string subscription;         // full name: the only one that may push
  std::size_t under_way_max = 200;  // at a time: more come again later
  std::size_t under_way = 0;
};

}  // namespace slipway::api
