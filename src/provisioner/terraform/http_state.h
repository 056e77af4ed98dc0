#pragma once
// The client's side of Terraform's `http` backend (the hub keeps states behind it): GET, POST, LOCK and UNLOCK of one
// state, with the lock's id in the query of a POST.
//
// Terraform itself speaks this only every 20 seconds and when it ends (the interval cannot be set shorter). We let it
// keep its state in a file, which it writes at once after each resource, and pass the file on: so a Terraform, a daemon
// or a machine that dies takes less than a second of state along.

#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "net/http_client.h"
#include "provisioner/protocol.h"

namespace slipway::provisioner::terraform {

// One call each, not repeated: transient errors are worth another try. So is whatever somebody between here and the hub
// answers: a proxy says 404 as well, while the hub is away. For one thread at a time.
class HttpState {
 public:
  HttpState(net::HttpClient& client, StateBackend where);

  // Empty where the hub says that there is none yet.
  std::optional<std::string> get(std::stop_token stop);
  // Throws transient STATE_LOCKED, saying by whom.
  void lock(std::stop_token stop);
  // Throws conflict STATE_REFUSED where the lock is not ours any more, or the state is older than what is there.
  void put(std::string_view state, std::stop_token stop);
  void unlock(std::stop_token stop);
  bool is_locked() const { return !lock_.empty(); }

 private:
  net::ClientResponse call(net::Method method, std::string url, std::string body, std::stop_token stop);

  net::HttpClient& client_;
  StateBackend where_;
  std::string id_;    // of our lock: the same whenever it is asked for, so that a lost answer does no harm
  std::string lock_;  // what the lock says; empty: not locked
};

}  // namespace slipway::provisioner::terraform
