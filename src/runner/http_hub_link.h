#pragma once
// The hub over HTTP: the calls of /v1/daemon, with JSON bodies, and files as they are (docs/daemon.md).

#include <string>

#include "base/executor.h"
#include "base/secret.h"
#include "net/http_client.h"
#include "runner/hub_link.h"
#include "runner/loop_timer.h"

namespace slipway::runner {

struct HttpHubOptions {
  std::string url;      // http(s)://host:port, perhaps with a path
  base::Secret key;     // of the daemon
  std::string ca_file;  // PEM; empty: the system's
  std::string user_agent;
  std::size_t jobs = 1;  // at once: each may need some connections
};

// The loop and the workers must outlive it, and what it has queued in them.
class HttpHubLink final : public HubLink {
 public:
  // Throws INVALID_URL (user).
  HttpHubLink(HttpHubOptions options, base::EventLoop& loop, base::Workers& workers);

  void register_daemon(fleet::RegisterDaemon daemon, Reply<fleet::DaemonRegistered> reply) override;
  // A job that this program cannot read is JOB_NOT_UNDERSTOOD, with `job` and `fence` in its details.
  void acquire(fleet::AcquireJob request, Reply<fleet::JobAcquired> reply) override;
  void wait_for_cancels(fleet::WaitForCancels request, Reply<fleet::CancelledJobs> reply) override;
  void say_goodbye(std::string daemon_id, Reply<void> reply) override;
  void update(std::string job, fleet::JobUpdate update, base::Duration bound, Reply<fleet::JobUpdated> reply) override;
  void commit_quota(std::string job, fleet::CommitQuota request, Reply<fleet::QuotaCommitted> reply) override;
  void complete(std::string job, fleet::CompletedJob outcome, Reply<fleet::JobEnded> reply) override;
  void fail(std::string job, fleet::FailedJob outcome, Reply<fleet::JobEnded> reply) override;
  // What does not have the hash is BLOB_DAMAGED (transient).
  void get_blob(std::string hash, std::string file, Reply<void> reply) override;
  void get_state(std::string job, std::int64_t fence, std::string file, Reply<void> reply) override;
  void put_state(std::string job, std::int64_t fence, std::string file, Reply<std::string> reply) override;
  std::string state_address(const std::string& job) const override;

 private:
  using Answered = std::move_only_function<void(std::expected<net::ClientResponse, base::Error>)>;
  net::ClientRequest request(net::Method method, const std::string& path) const;
  // `answered` is called on the client's thread.
  void send(net::ClientRequest request, Answered answered);
  template <class Body, class Answer>
  void post(const std::string& path, const Body& body, base::Duration timeout, Reply<Answer> reply);
  void download(net::ClientRequest request, std::string file, Reply<void> reply, std::string hash = {});

  HttpHubOptions options_;
  base::EventLoop& loop_;
  base::Workers& workers_;
  Lifeline lifeline_;
  net::HttpClient client_;
};

}  // namespace slipway::runner
