#pragma once
// Long-running operations (google.longrunning.Operation over REST): `GET v1/{name}` until done.

#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/json.h"
#include "google/error.h"

namespace slipway::google {

class ApiClient;
struct ApiRequest;

struct Operation {
  std::string name;  // projects/…/locations/…/operations/…
  bool done = false;
  std::optional<Status> error;  // of one that is done and has failed
  json::Value metadata;
  json::Value response;  // of one that is done and has succeeded
};
SLIPWAY_JSON_CAMEL(Operation, name, done, error, metadata, response)

// Lenient. Throws MALFORMED_ANSWER when it has no name.
Operation parse_operation(const json::Value& answer);
// Throws what to_error makes of its error, if it is done and has failed.
void throw_if_failed(const Operation& operation);

inline constexpr std::int64_t kOperationPagesMax = 100;

// The operations of one API. Thread-safe.
class Operations {
 public:
  Operations(ApiClient& api, std::string service, std::string endpoint)
      : api_(api), service_(std::move(service)), endpoint_(std::move(endpoint)) {}

  Operation get(const std::string& name, std::stop_token stop = {});  // NOT_FOUND when it is forgotten
  std::optional<Operation> find(const std::string& name, std::stop_token stop = {});
  std::vector<Operation> list(const std::string& location, std::stop_token stop = {});  // of projects/p/locations/l
  // Asks for it; whether it was cancelled is seen by `get`.
  void cancel(const std::string& name, std::stop_token stop = {});

 private:
  ApiRequest request(std::string verb, const std::string& name, std::stop_token stop) const;

  ApiClient& api_;
  std::string service_;
  std::string endpoint_;
};

}  // namespace slipway::google
