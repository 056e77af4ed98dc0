#pragma once
// The mail that tells a user of a workstation that is ready (WP-8).

#include <string>

#include "notify/mail.h"

namespace slipway::notify {

struct WorkstationReady {
  std::string user_email;
  std::string name;  // of the workstation
  std::string tier;
  std::int64_t vcpus = 0;
  std::int64_t memory_gb = 0;
  std::int64_t disk_gb = 0;
  std::string machine_type;
  std::string launch_url;    // https://…, or http://… of a simulated cloud
  std::string organization;  // empty: not shown
};

// Without `message_id`, which is the caller's. Everything is escaped for where it stands. Throws VALIDATION_ERROR for a
// launch URL that a button must not have.
Mail render_workstation_ready(const WorkstationReady& ready);

}  // namespace slipway::notify
