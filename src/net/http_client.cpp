#include "net/http_client.h"

#include <curl/curl.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <atomic>
#include <boost/json/parse.hpp>
#include <charconv>
#include <cstring>
#include <future>
#include <map>
#include <mutex>
#include <thread>

#include "net/address_guard.h"

namespace slipway::net {

namespace {

using base::Error;
using base::ErrorClass;

constexpr int kPollMs = 60'000;  // the thread is woken for everything that is new
constexpr long kRedirectsMax = 5;
constexpr std::size_t kHeaderBytesMax = 256 << 10;  // of a response's head: a hostile server must not fill our memory

struct EasyDeleter {
  void operator()(CURL* easy) const { curl_easy_cleanup(easy); }
};
struct ListDeleter {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};

Error cancelled() { return Error(ErrorClass::internal, "CANCELLED", "the request was cancelled"); }

// One exchange under way. Used by the client's thread alone once it is handed over.
struct Transfer {
  HttpClient::RequestId id = 0;
  ClientRequest request;
  HttpClient::Callback callback;
  std::unique_ptr<CURL, EasyDeleter> easy{};
  std::unique_ptr<curl_slist, ListDeleter> header_list{};
  ClientResponse response{};
  std::size_t header_bytes = 0;
  std::size_t body_sent = 0;  // with `send_once`
  bool is_truncated = false;
  std::optional<Error> refusal{};  // why we ended it ourselves
  char message[CURL_ERROR_SIZE] = {};

  std::size_t take_header(std::string_view line);
  std::size_t take_body(std::string_view bytes);
  std::size_t give_body(char* into, std::size_t size);
  void prepare();
  void prepare_body();
  void add_headers();
  Error failure(CURLcode code) const;
};

std::size_t on_header(char* data, std::size_t size, std::size_t count, void* transfer) {
  return static_cast<Transfer*>(transfer)->take_header({data, size * count});
}

std::size_t on_body(char* data, std::size_t size, std::size_t count, void* transfer) {
  return static_cast<Transfer*>(transfer)->take_body({data, size * count});
}

std::size_t on_body_wanted(char* into, std::size_t size, std::size_t count, void* transfer) {
  return static_cast<Transfer*>(transfer)->give_body(into, size * count);
}

// A child process must not inherit the connection.
int on_socket(void*, curl_socket_t socket, curlsocktype) {
  ::fcntl(socket, F_SETFD, FD_CLOEXEC);
  return CURL_SOCKOPT_OK;
}

std::optional<Address> to_address(const sockaddr& address) {
  if (address.sa_family == AF_INET) {
    sockaddr_in v4;
    std::memcpy(&v4, &address, sizeof v4);
    return boost::asio::ip::address_v4(ntohl(v4.sin_addr.s_addr));
  }
  if (address.sa_family == AF_INET6) {
    sockaddr_in6 v6;
    std::memcpy(&v6, &address, sizeof v6);
    boost::asio::ip::address_v6::bytes_type bytes;
    std::memcpy(bytes.data(), &v6.sin6_addr, bytes.size());
    return boost::asio::ip::address_v6(bytes, v6.sin6_scope_id);
  }
  return std::nullopt;
}

// The last moment before a connection, when the address is known and nothing can change it any more.
curl_socket_t on_open_socket(void* owner, curlsocktype, curl_sockaddr* target) {
  auto& transfer = *static_cast<Transfer*>(owner);
  const auto address = to_address(target->addr);
  if (!address || !transfer.request.guard->permits(*address)) {
    // Not which address it was: who asks might be learning what stands inside.
    transfer.refusal = Error(ErrorClass::user, "ADDRESS_REFUSED", "the host's address is not one that may be reached");
    return CURL_SOCKET_BAD;
  }
  return ::socket(target->family, target->socktype | SOCK_CLOEXEC, target->protocol);
}

std::size_t Transfer::take_header(std::string_view line) {
  const std::size_t taken = line.size();
  header_bytes += taken;
  if (header_bytes > kHeaderBytesMax) {
    refusal = Error(ErrorClass::internal, "RESPONSE_TOO_LARGE", "the response's head is too large");
    return 0;
  }
  while (line.ends_with('\n') || line.ends_with('\r')) line.remove_suffix(1);
  if (line.starts_with("HTTP/")) {  // of this answer, or of the one after a redirect or a 100
    response = ClientResponse();
    return taken;
  }
  const auto colon = line.find(':');
  if (colon == std::string_view::npos) return taken;
  std::string_view value = line.substr(colon + 1);
  value.remove_prefix(std::min(value.find_first_not_of(" \t"), value.size()));
  try {
    response.headers.add(line.substr(0, colon), value);
  } catch (const Error&) {
    // A malformed field of somebody else's server: the rest of the answer is still good.
  }
  return taken;
}

std::size_t Transfer::take_body(std::string_view bytes) {
  long status = 0;
  curl_easy_getinfo(easy.get(), CURLINFO_RESPONSE_CODE, &status);
  if (request.on_data && status >= 200 && status < 300) {
    if (request.on_data(bytes)) return bytes.size();
    refusal = cancelled();
    return 0;
  }
  if (response.body.size() + bytes.size() > request.body_limit) {
    if (request.truncate_body) {
      response.body += bytes.substr(0, request.body_limit - response.body.size());
      is_truncated = true;
      return 0;
    }
    refusal = Error(ErrorClass::internal, "RESPONSE_TOO_LARGE",
                    "the response is larger than " + std::to_string(request.body_limit) + " bytes");
    return 0;
  }
  response.body += bytes;
  return bytes.size();
}

std::size_t Transfer::give_body(char* into, std::size_t size) {
  // Not std::string::copy: its instantiation here would be what the static library of C++ takes for its own, and with
  // it comes this file, and libcurl, into programs that have neither.
  const std::size_t given = std::min(size, request.body.size() - body_sent);
  std::memcpy(into, request.body.data() + body_sent, given);
  body_sent += given;
  return given;
}

void Transfer::add_headers() {
  const auto append = [this](const std::string& line) {
    curl_slist* longer = curl_slist_append(header_list.get(), line.c_str());
    if (!longer) throw std::bad_alloc();
    (void)header_list.release();
    header_list.reset(longer);
  };
  for (const auto& [name, value] : request.headers) append(value.empty() ? name + ";" : name + ": " + value);
  append("Expect:");  // saves a round trip that our bodies are too small for
  if (!request.headers.get("Content-Type")) append("Content-Type:");
  curl_easy_setopt(easy.get(), CURLOPT_HTTPHEADER, header_list.get());
}

void Transfer::prepare() {
  easy.reset(curl_easy_init());
  if (!easy) throw std::bad_alloc();
  CURL* handle = easy.get();
  curl_easy_setopt(handle, CURLOPT_PRIVATE, this);
  curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(handle, CURLOPT_SOCKOPTFUNCTION, on_socket);
  curl_easy_setopt(handle, CURLOPT_ERRORBUFFER, message);
  curl_easy_setopt(handle, CURLOPT_URL, request.url.c_str());
  curl_easy_setopt(handle, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(handle, CURLOPT_REDIR_PROTOCOLS_STR, request.url.starts_with("https") ? "https" : "http,https");
  curl_easy_setopt(handle, CURLOPT_FOLLOWLOCATION, request.follow_redirects ? 1L : 0L);
  curl_easy_setopt(handle, CURLOPT_MAXREDIRS, kRedirectsMax);
  curl_easy_setopt(handle, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
  curl_easy_setopt(handle, CURLOPT_TIMEOUT_MS, long(request.timeout.count()));
  curl_easy_setopt(handle, CURLOPT_CONNECTTIMEOUT_MS, long(request.connect_timeout.count()));
  curl_easy_setopt(handle, CURLOPT_TCP_KEEPALIVE, 1L);
  // A name server that does not answer must not hold up the other transfers: its thread is left to end by itself.
  curl_easy_setopt(handle, CURLOPT_QUICK_EXIT, 1L);
  if (request.stall_timeout.count() > 0) {
    curl_easy_setopt(handle, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(handle, CURLOPT_LOW_SPEED_TIME,
                     long(std::chrono::ceil<std::chrono::seconds>(request.stall_timeout).count()));
  }
  if (!request.unix_socket.empty()) curl_easy_setopt(handle, CURLOPT_UNIX_SOCKET_PATH, request.unix_socket.c_str());
  if (request.guard) {
    curl_easy_setopt(handle, CURLOPT_OPENSOCKETFUNCTION, on_open_socket);
    curl_easy_setopt(handle, CURLOPT_OPENSOCKETDATA, this);
  }
  // What has no body is not read from anywhere; only a connection that is not a kept one is never tried twice.
  if (request.send_once && request.body.empty()) curl_easy_setopt(handle, CURLOPT_FRESH_CONNECT, 1L);
  if (!request.ca_file.empty()) curl_easy_setopt(handle, CURLOPT_CAINFO, request.ca_file.c_str());
  if (request.direct || !request.unix_socket.empty()) curl_easy_setopt(handle, CURLOPT_PROXY, "");
  curl_easy_setopt(handle, CURLOPT_HEADERFUNCTION, on_header);
  curl_easy_setopt(handle, CURLOPT_HEADERDATA, this);
  curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, on_body);
  curl_easy_setopt(handle, CURLOPT_WRITEDATA, this);
  if (request.method == Method::head) {
    curl_easy_setopt(handle, CURLOPT_NOBODY, 1L);
  } else if (request.method != Method::get || !request.body.empty()) {
    const bool bodiless = request.body.empty() && (request.method == Method::del || request.method == Method::options);
    if (!bodiless) prepare_body();
    curl_easy_setopt(handle, CURLOPT_CUSTOMREQUEST, std::string(to_string(request.method)).c_str());
  }
  add_headers();
}

void Transfer::prepare_body() {
  CURL* handle = easy.get();
  curl_easy_setopt(handle, CURLOPT_POSTFIELDSIZE_LARGE, curl_off_t(request.body.size()));
  if (!request.send_once) {
    curl_easy_setopt(handle, CURLOPT_POSTFIELDS, request.body.data());
    return;
  }
  // From a source that cannot be rewound: then the library cannot send it a second time on a new connection.
  curl_easy_setopt(handle, CURLOPT_POST, 1L);
  curl_easy_setopt(handle, CURLOPT_READFUNCTION, on_body_wanted);
  curl_easy_setopt(handle, CURLOPT_READDATA, this);
}

Error Transfer::failure(CURLcode code) const {
  if (refusal) return *refusal;
  const std::string text = request.url + ": " + (message[0] ? message : curl_easy_strerror(code));
  switch (code) {
    case CURLE_OPERATION_TIMEDOUT:
      return Error(ErrorClass::transient, "TIMEOUT", text);
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
      return Error(ErrorClass::user, "INVALID_URL", text);
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
      return Error(ErrorClass::internal, "TLS_FAILED", text);
    case CURLE_COULDNT_CONNECT:
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
      return Error(ErrorClass::transient, "CONNECTION_FAILED", text);
    default:
      return Error(ErrorClass::transient, "CONNECTION_CLOSED", text);
  }
}

void initialize_curl() {
  static const CURLcode once = curl_global_init(CURL_GLOBAL_DEFAULT);
  if (once != CURLE_OK) throw base::internal_error("libcurl cannot be initialized");
}

}  // namespace

// ---- the client's thread

struct HttpClient::Impl {
  explicit Impl(ClientLimits limits);
  ~Impl();

  void run();
  void take_orders();
  void start(std::unique_ptr<Transfer> transfer);
  void finish_done();
  void finish(RequestId id, CURLcode code);
  void end_all();

  CURLM* multi = nullptr;
  std::map<RequestId, std::unique_ptr<Transfer>> active;  // the thread's own

  std::mutex mutex;
  std::vector<std::unique_ptr<Transfer>> arrivals;
  std::vector<RequestId> cancellations;
  bool closing = false;
  RequestId last_id = 0;
  std::thread thread;
};

HttpClient::Impl::Impl(ClientLimits limits) {
  initialize_curl();
  multi = curl_multi_init();
  if (!multi) throw std::bad_alloc();
  curl_multi_setopt(multi, CURLMOPT_MAX_HOST_CONNECTIONS, long(limits.connections_per_host));
  curl_multi_setopt(multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, long(limits.connections_total));
  thread = std::thread([this] { run(); });
}

HttpClient::Impl::~Impl() {
  {
    const std::lock_guard lock(mutex);
    closing = true;
  }
  curl_multi_wakeup(multi);
  thread.join();
  curl_multi_cleanup(multi);
}

void HttpClient::Impl::run() {
  for (;;) {
    take_orders();
    {
      const std::lock_guard lock(mutex);
      if (closing) break;
    }
    int running = 0;
    curl_multi_perform(multi, &running);
    finish_done();
    curl_multi_poll(multi, nullptr, 0, kPollMs, nullptr);
  }
  end_all();
}

void HttpClient::Impl::take_orders() {
  std::vector<std::unique_ptr<Transfer>> fresh;
  std::vector<RequestId> ended;
  {
    const std::lock_guard lock(mutex);
    fresh.swap(arrivals);
    ended.swap(cancellations);
  }
  for (auto& transfer : fresh) start(std::move(transfer));
  for (const RequestId id : ended) {
    const auto found = active.find(id);
    if (found == active.end()) continue;
    found->second->refusal = cancelled();
    finish(id, CURLE_ABORTED_BY_CALLBACK);
  }
}

void HttpClient::Impl::start(std::unique_ptr<Transfer> transfer) {
  try {
    transfer->prepare();
  } catch (const std::exception&) {
    return transfer->callback(std::unexpected(base::as_error(std::current_exception())));
  }
  Transfer& placed = *active.emplace(transfer->id, std::move(transfer)).first->second;
  if (curl_multi_add_handle(multi, placed.easy.get()) != CURLM_OK) finish(placed.id, CURLE_FAILED_INIT);
}

void HttpClient::Impl::finish_done() {
  int left = 0;
  while (CURLMsg* message = curl_multi_info_read(multi, &left)) {
    if (message->msg != CURLMSG_DONE) continue;
    const CURLcode code = message->data.result;
    Transfer* transfer = nullptr;
    curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &transfer);
    finish(transfer->id, code);
  }
}

void HttpClient::Impl::finish(RequestId id, CURLcode code) {
  const auto transfer = std::move(active.extract(id).mapped());
  curl_multi_remove_handle(multi, transfer->easy.get());
  const bool is_cut = transfer->is_truncated && code == CURLE_WRITE_ERROR;
  if (code != CURLE_OK && !is_cut) return transfer->callback(std::unexpected(transfer->failure(code)));
  long status = 0;
  curl_easy_getinfo(transfer->easy.get(), CURLINFO_RESPONSE_CODE, &status);
  transfer->response.status = int(status);
  transfer->callback(std::move(transfer->response));
}

void HttpClient::Impl::end_all() {
  for (;;) {
    take_orders();
    if (active.empty()) return;
    const auto first = active.begin();
    first->second->refusal = cancelled();
    finish(first->first, CURLE_ABORTED_BY_CALLBACK);
  }
}

// ---- HttpClient

HttpClient::HttpClient(ClientLimits limits) : impl_(std::make_unique<Impl>(limits)) {}
HttpClient::~HttpClient() = default;

HttpClient::RequestId HttpClient::send(ClientRequest request, Callback callback) {
  auto transfer = std::make_unique<Transfer>();
  transfer->request = std::move(request);
  transfer->callback = std::move(callback);
  RequestId id = 0;
  {
    const std::lock_guard lock(impl_->mutex);
    id = transfer->id = ++impl_->last_id;
    impl_->arrivals.push_back(std::move(transfer));
  }
  curl_multi_wakeup(impl_->multi);
  return id;
}

void HttpClient::cancel(RequestId request) {
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->cancellations.push_back(request);
  }
  curl_multi_wakeup(impl_->multi);
}

ClientResponse HttpClient::fetch(ClientRequest request, std::stop_token stop) {
  std::promise<ClientOutcome> promise;
  auto future = promise.get_future();
  const RequestId id =
      send(std::move(request), [&promise](ClientOutcome outcome) { promise.set_value(std::move(outcome)); });
  const std::stop_callback on_stop(stop, [this, id] { cancel(id); });
  ClientOutcome outcome = future.get();
  if (!outcome) throw std::move(outcome.error());
  return std::move(*outcome);
}

Awaitable<ClientResponse> HttpClient::fetch(IoContext& io, ClientRequest request) {
  struct Shared {
    Completion done;
    std::optional<ClientOutcome> outcome;
  };
  const auto shared = std::make_shared<Shared>(Shared{Completion(io), std::nullopt});
  send(std::move(request), [shared](ClientOutcome outcome) {
    shared->outcome.emplace(std::move(outcome));
    shared->done.complete();
  });
  co_await shared->done.wait();
  if (!*shared->outcome) throw std::move(shared->outcome->error());
  co_return std::move(**shared->outcome);
}

// ---- statuses

namespace {

ErrorClass class_of(int status) {
  switch (status) {
    case 408:
      return ErrorClass::transient;
    case 409:
    case 412:
      return ErrorClass::conflict;
    case 429:
      return ErrorClass::throttled;
    default:
      return status >= 500 ? ErrorClass::transient : ErrorClass::user;
  }
}

// Seconds, RFC 9110 section 10.2.3; the form with a date is left to the caller's own back-off.
std::optional<std::chrono::seconds> retry_after(const ClientResponse& response) {
  const auto field = response.headers.get("Retry-After");
  if (!field) return std::nullopt;
  std::int32_t seconds = 0;
  const auto [end, failure] = std::from_chars(field->data(), field->data() + field->size(), seconds);
  if (failure != std::errc() || end != field->data() + field->size() || seconds < 0) return std::nullopt;
  return std::chrono::seconds(seconds);
}

}  // namespace

void throw_for_status(const ClientResponse& response) {
  if (response.status < 400) return;
  std::string code = "HTTP_" + std::to_string(response.status);
  std::string message =
      "the server answered " + std::to_string(response.status) + " " + std::string(status_text(response.status));
  boost::json::object details{{"status", response.status}};
  boost::system::error_code malformed;
  const auto body = boost::json::parse(response.body, malformed);
  const auto* envelope = !malformed && body.is_object() ? body.get_object().if_contains("error") : nullptr;
  if (const auto* fields = envelope ? envelope->if_object() : nullptr) {
    if (const auto* text = fields->if_contains("code"); text && text->is_string()) code = text->get_string();
    if (const auto* text = fields->if_contains("message"); text && text->is_string()) message = text->get_string();
    if (const auto* more = fields->if_contains("details")) details["details"] = *more;
  }
  Error error(class_of(response.status), std::move(code), std::move(message), std::move(details));
  if (const auto after = retry_after(response)) throw std::move(error).with_retry_after(*after);
  throw error;
}

}  // namespace slipway::net
