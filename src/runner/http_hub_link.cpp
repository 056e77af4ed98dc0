#include "runner/http_hub_link.h"

#include <filesystem>
#include <fstream>

#include "base/json.h"
#include "net/url.h"
#include "runner/file_digest.h"
#include "runner/on_worker.h"

namespace slipway::runner {

using base::Duration;
using base::Error;
using base::ErrorClass;
using net::ClientRequest;
using net::ClientResponse;
using net::Method;

namespace {

constexpr Duration kCall = std::chrono::seconds(30);
constexpr Duration kPollGrace = std::chrono::seconds(10);      // beyond what the hub was asked to wait
constexpr Duration kTransfer = std::chrono::minutes(10);       // of a whole file
constexpr Duration kTransferStall = std::chrono::seconds(30);  // without a byte of it

struct Goodbye {
  std::string daemon_id;
};
SLIPWAY_JSON_CAMEL(Goodbye, daemon_id)

struct StatePut {
  std::string sha256;
};
SLIPWAY_JSON_CAMEL(StatePut, sha256)

// The hub's envelope around what it says; whatever else answers, such as a proxy, is a failure that may pass.
json::Value data_of(const ClientResponse& response) {
  net::throw_for_status(response);
  auto envelope = json::parse_value(response.body, "the hub's answer");
  auto* object = envelope.if_object();
  auto* data = object ? object->if_contains("data") : nullptr;
  if (!data) throw Error(ErrorClass::transient, "NO_HUB_ANSWER", "what answered does not speak as a hub does");
  return std::move(*data);
}

template <class Answer>
Answer parse_answer(const json::Value& data) {
  return json::from_value<Answer>(data, json::Mode::lenient);
}

// A job of a kind that came with a later version: named, so that it can be refused.
template <>
fleet::JobAcquired parse_answer(const json::Value& data) {
  try {
    return json::from_value<fleet::JobAcquired>(data, json::Mode::lenient);
  } catch (const Error& error) {
    const auto* job = data.is_object() ? data.get_object().if_contains("job") : nullptr;
    if (!job || !job->is_object() || !job->get_object().contains("id")) throw;
    const auto& fields = job->get_object();
    throw Error(ErrorClass::internal, "JOB_NOT_UNDERSTOOD",
                "the job is of a kind not known here (" + error.message() + ")",
                json::Object{{"job", fields.at("id")}, {"fence", fields.at("fence")}});
  }
}

// Proxies answer 401 and 403 without the hub's words.
Error with_known_code(const Error& error) {
  if (error.code() == "HTTP_401") return Error(error.error_class(), "UNAUTHORIZED", error.message());
  if (error.code() == "HTTP_403") return Error(error.error_class(), "FORBIDDEN", error.message());
  return error;
}

template <class F>
auto attempt(F work) -> std::expected<std::invoke_result_t<F&>, Error> {
  try {
    return work();
  } catch (...) {
    return std::unexpected(with_known_code(base::as_error(std::current_exception())));
  }
}

std::string content_of(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  std::string content(std::istreambuf_iterator<char>(in), {});
  if (!in.good() && !in.eof()) throw base::system_error("reading " + file, errno);
  return content;
}

}  // namespace

HttpHubLink::HttpHubLink(HttpHubOptions options, base::EventLoop& loop, base::Workers& workers)
    : options_(std::move(options)),
      loop_(loop),
      workers_(workers),
      // Two polls, and of each job an update or two, a state, and the end.
      client_({.connections_per_host = 4 + 4 * options_.jobs, .connections_total = 4 + 4 * options_.jobs}) {
  while (options_.url.ends_with('/')) options_.url.pop_back();
  const auto url = net::parse_url(options_.url);
  if (!url || (url->scheme != "http" && url->scheme != "https"))
    throw Error(ErrorClass::user, "INVALID_URL",
                "'" + options_.url + "' is no address of a hub, such as https://hub.example.com");
}

ClientRequest HttpHubLink::request(Method method, const std::string& path) const {
  ClientRequest request{.method = method, .url = options_.url + path, .timeout = kCall, .ca_file = options_.ca_file};
  request.headers.set("Authorization", "Bearer " + options_.key.reveal());
  request.headers.set("Accept", "application/json");
  request.headers.set("User-Agent", options_.user_agent);
  return request;
}

void HttpHubLink::send(ClientRequest request, Answered answered) {
  client_.send(std::move(request), std::move(answered));
}

template <class Body, class Answer>
void HttpHubLink::post(const std::string& path, const Body& body, Duration timeout, Reply<Answer> reply) {
  auto post = request(Method::post, "/v1/daemon" + path);
  post.headers.set("Content-Type", "application/json");
  post.body = json::print_value(json::to_value(body, json::Secrets::revealed));
  post.timeout = timeout;
  send(std::move(post),
       [&loop = loop_, reply = std::move(reply)](std::expected<ClientResponse, Error> response) mutable {
         // Read here, on the client's thread: the loop has jobs to look after.
         auto answer = !response ? std::expected<Answer, Error>(std::unexpected(std::move(response.error())))
                                 : attempt([&] { return parse_answer<Answer>(data_of(*response)); });
         loop.post([reply = std::move(reply), answer = std::move(answer)]() mutable { reply(std::move(answer)); });
       });
}

void HttpHubLink::register_daemon(fleet::RegisterDaemon daemon, Reply<fleet::DaemonRegistered> reply) {
  post("/register", daemon, kCall, std::move(reply));
}

void HttpHubLink::acquire(fleet::AcquireJob request, Reply<fleet::JobAcquired> reply) {
  post("/acquire", request, request.wait_ms + kPollGrace, std::move(reply));
}

void HttpHubLink::wait_for_cancels(fleet::WaitForCancels request, Reply<fleet::CancelledJobs> reply) {
  post("/cancellations", request, request.wait_ms + kPollGrace, std::move(reply));
}

void HttpHubLink::say_goodbye(std::string daemon_id, Reply<void> reply) {
  post<Goodbye, json::Value>("/goodbye", {std::move(daemon_id)}, kCall,
                             [reply = std::move(reply)](std::expected<json::Value, Error> answer) mutable {
                               if (answer)
                                 reply({});
                               else
                                 reply(std::unexpected(std::move(answer.error())));
                             });
}

void HttpHubLink::update(std::string job, fleet::JobUpdate update, Duration bound, Reply<fleet::JobUpdated> reply) {
  post("/jobs/" + job + "/update", update, bound, std::move(reply));
}

void HttpHubLink::commit_quota(std::string job, fleet::CommitQuota request, Reply<fleet::QuotaCommitted> reply) {
  post("/jobs/" + job + "/commit-quota", request, kCall, std::move(reply));
}

void HttpHubLink::complete(std::string job, fleet::CompletedJob outcome, Reply<fleet::JobEnded> reply) {
  post("/jobs/" + job + "/complete", outcome, kCall, std::move(reply));
}

void HttpHubLink::fail(std::string job, fleet::FailedJob outcome, Reply<fleet::JobEnded> reply) {
  post("/jobs/" + job + "/fail", outcome, kCall, std::move(reply));
}

// ---- files

void HttpHubLink::get_blob(std::string hash, std::string file, Reply<void> reply) {
  auto get = request(Method::get, "/v1/blobs/" + hash);
  download(std::move(get), std::move(file), std::move(reply), std::move(hash));
}

void HttpHubLink::get_state(std::string job, std::int64_t fence, std::string file, Reply<void> reply) {
  download(request(Method::get, "/v1/daemon/jobs/" + job + "/state?fence=" + std::to_string(fence)), std::move(file),
           std::move(reply));
}

void HttpHubLink::download(ClientRequest get, std::string file, Reply<void> reply, std::string hash) {
  get.headers.set("Accept", "*/*");
  get.timeout = kTransfer;
  get.stall_timeout = kTransferStall;
  // Written as it comes, by the client's thread.
  auto out = std::make_shared<std::ofstream>(file, std::ios::binary | std::ios::trunc);
  get.on_data = [out](std::string_view piece) { return bool(out->write(piece.data(), std::streamsize(piece.size()))); };
  send(std::move(get), [this, out, file = std::move(file), hash = std::move(hash),
                        reply = std::move(reply)](std::expected<ClientResponse, Error> response) mutable {
    run_on_worker(
        workers_, loop_,
        [out, file, hash, response = std::move(response)] {
          const bool written = bool(out->flush());
          out->close();
          if (!written) throw base::system_error("writing " + file, ENOSPC);
          if (!response) throw response.error();
          net::throw_for_status(*response);
          if (!hash.empty() && file_sha256_hex(file) != hash)
            throw Error(ErrorClass::transient, "BLOB_DAMAGED", "what came is not what was asked for: " + hash);
        },
        std::move(reply));
  });
}

void HttpHubLink::put_state(std::string job, std::int64_t fence, std::string file, Reply<std::string> reply) {
  auto put = request(Method::put, "/v1/daemon/jobs/" + job + "/state?fence=" + std::to_string(fence));
  put.headers.set("Content-Type", "application/octet-stream");
  put.timeout = kTransfer;
  put.stall_timeout = kTransferStall;
  run_on_worker(
      workers_, loop_, [file = std::move(file)] { return content_of(file); },
      lifeline_.wrap(
          [this, put = std::move(put), reply = std::move(reply)](std::expected<std::string, Error> content) mutable {
            if (!content) return reply(std::unexpected(std::move(content.error())));
            put.body = std::move(*content);
            send(std::move(put), [&loop = loop_,
                                  reply = std::move(reply)](std::expected<ClientResponse, Error> response) mutable {
              auto digest = !response ? std::expected<std::string, Error>(std::unexpected(std::move(response.error())))
                                      : attempt([&] { return parse_answer<StatePut>(data_of(*response)).sha256; });
              loop.post([reply = std::move(reply), digest = std::move(digest)]() mutable { reply(std::move(digest)); });
            });
          }));
}

std::string HttpHubLink::state_address(const std::string& job) const {
  return options_.url + "/v1/terraform/jobs/" + job + "/state";
}

}  // namespace slipway::runner
