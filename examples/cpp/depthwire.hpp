// A depthwire client in one header, on cppzmq and msgpack-c, written from protocol/SPEC.md ("§" below).
//
//     depthwire::Client client("tcp://127.0.0.1:5555");
//     depthwire::Reply reply = client.call({.op = "metric_depth", .image = jpeg});
//     reply.depth.at(row, column)                                   // float, metres
//
// One thread, one request at a time; results stand over the received frames, without a copy. Errors are exceptions.
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#ifndef MSGPACK_NO_BOOST
#define MSGPACK_NO_BOOST
#endif
#include <msgpack.hpp>
#include <zmq.hpp>

namespace depthwire {

static_assert(sizeof(float) == 4, "arrays are IEEE 754 float 32, little-endian, as on every machine this is for (§3)");

constexpr std::int64_t kVersion = 1;
constexpr std::int8_t kBufferExt = 1;
constexpr std::size_t kInlineLimit = 512;         // bytes; larger binary data has a frame of its own (§2)
constexpr std::size_t kMaxHeader = 64 * 1024;
constexpr std::size_t kMaxElements = 4096, kMaxNesting = 17, kMaxBuffers = 8;
constexpr std::size_t kMaxExt = 2;                // msgpack-c counts the type's byte as well

// An error reply (§6), or CLIENT_TIMEOUT and PROTOCOL, which are this client's own.
class Error : public std::runtime_error {
 public:
  Error(std::string code, const std::string& message, bool retryable = false, std::string field = {},
        double retry_after_ms = 0)
      : std::runtime_error(message), code(std::move(code)), field(std::move(field)), retryable(retryable),
        retry_after_ms(retry_after_ms) {}
  std::string code, field;
  bool retryable;
  double retry_after_ms;
};

[[noreturn]] inline void refuse(const std::string& what) { throw Error("PROTOCOL", what); }

struct Intrinsics {
  double fx, fy, cx, cy;  // pixels
  std::int64_t width = 0, height = 0;  // of the picture that they belong to; both 0: of the picture that is sent
};

struct Request {
  std::string op;           // pc, metric_depth, rel_depth, health
  std::string image = {};   // an encoded JPEG, PNG or WebP
  std::optional<Intrinsics> intrinsics = {};
  std::optional<double> max_depth = {}, timeout_ms = {};
  std::optional<std::int64_t> model_input_size = {};
  std::string encoder = {}, dataset = {}, stream = {};
  std::map<std::string, msgpack::object> meta = {};
};

// float32, row-major, over the frame it came in, which lives as long as it does.
class Array {
 public:
  std::size_t rows = 0, columns = 0;
  [[nodiscard]] const float* data() const { return data_; }
  [[nodiscard]] std::size_t size() const { return rows * columns; }
  [[nodiscard]] float at(std::size_t row, std::size_t column) const { return data_[row * columns + column]; }

 private:
  friend class ReplyReader;
  std::shared_ptr<const void> owner_;
  const float* data_ = nullptr;
};

struct Reply {
  std::uint64_t id = 0;
  std::string op, model;
  Array depth, points;      // H × W, and N × 3 for pc
  double min = std::nan(""), max = std::nan("");
  std::map<std::string, double> timing;  // milliseconds by stage, and batch_size
  std::shared_ptr<msgpack::object_handle> header;  // everything, such as health's fields and meta

  // A field of the header; nil where it is absent.
  [[nodiscard]] const msgpack::object& field(std::string_view name) const;
};

// A value of a map by its key; nil where it is absent, an error where `map` is none.
inline const msgpack::object& value_of(const msgpack::object& map, std::string_view name,
                                       msgpack::type::object_type key_type = msgpack::type::STR) {
  static const msgpack::object nil;
  if (map.type != msgpack::type::MAP) refuse("a map is expected around " + std::string(name));
  for (const msgpack::object_kv& entry : map.via.map) {
    const auto& key = entry.key;
    if (key.type != key_type) continue;
    const std::string_view text = key_type == msgpack::type::STR
                                      ? std::string_view(key.via.str.ptr, key.via.str.size)
                                      : std::string_view(key.via.bin.ptr, key.via.bin.size);
    if (text == name) return entry.val;
  }
  return nil;
}

inline const msgpack::object& Reply::field(std::string_view name) const { return value_of(header->get(), name); }

inline bool is_number(const msgpack::object& value) {
  using namespace msgpack::type;
  return value.type == FLOAT32 || value.type == FLOAT64 || value.type == POSITIVE_INTEGER ||
         value.type == NEGATIVE_INTEGER;
}

inline std::string text_of(const msgpack::object& value) {
  return value.type == msgpack::type::STR ? value.as<std::string>() : std::string();
}

// The frames of a request (§2, §4): the header, and the image where it is too large to stand in it.
inline std::vector<std::string> encode(const Request& request, std::uint64_t id) {
  msgpack::sbuffer header;
  msgpack::packer<msgpack::sbuffer> out(header);
  std::vector<std::string> buffers;
  std::uint32_t fields = 3;
  fields += !request.image.empty() + request.intrinsics.has_value() + request.max_depth.has_value();
  fields += !request.encoder.empty() + !request.dataset.empty() + request.model_input_size.has_value();
  fields += request.timeout_ms.has_value() + !request.stream.empty() + !request.meta.empty();
  out.pack_map(fields);
  const auto put = [&out](const char* name, const auto& value) { out.pack(name), out.pack(value); };
  put("v", kVersion);
  put("id", id);
  put("op", request.op);
  if (!request.image.empty()) {
    out.pack("image");
    if (request.image.size() < kInlineLimit) {
      out.pack_bin(static_cast<std::uint32_t>(request.image.size()));
      out.pack_bin_body(request.image.data(), static_cast<std::uint32_t>(request.image.size()));
    } else {
      const char index = static_cast<char>(buffers.size());
      out.pack_ext(1, kBufferExt);
      out.pack_ext_body(&index, 1);
      buffers.push_back(request.image);
    }
  }
  if (request.intrinsics) {
    const Intrinsics& camera = *request.intrinsics;
    out.pack("camera_intrinsics");
    out.pack_map(camera.width ? 6 : 4);
    put("fx", camera.fx), put("fy", camera.fy), put("cx", camera.cx), put("cy", camera.cy);
    if (camera.width) put("width", camera.width), put("height", camera.height);
  }
  if (request.max_depth) put("max_depth", *request.max_depth);
  if (!request.encoder.empty()) put("encoder", request.encoder);
  if (!request.dataset.empty()) put("dataset", request.dataset);
  if (request.model_input_size) put("model_input_size", *request.model_input_size);
  if (request.timeout_ms) put("timeout_ms", *request.timeout_ms);
  if (!request.stream.empty()) put("stream", request.stream);
  if (!request.meta.empty()) put("meta", request.meta);
  buffers.insert(buffers.begin(), std::string(header.data(), header.size()));
  return buffers;
}

// Reads a message's frames (no envelope) into a Reply (§2, §3, §5). Throws the Error of an error reply, or PROTOCOL.
class ReplyReader {
 public:
  explicit ReplyReader(std::vector<zmq::message_t> frames)
      : frames_(std::make_shared<std::vector<zmq::message_t>>(std::move(frames))) {}

  Reply read() {
    if (frames_->empty() || frames_->size() > 1 + kMaxBuffers) refuse("a reply is a header and at most 8 buffers");
    reply_.header = std::make_shared<msgpack::object_handle>(unpack(frames_->front()));
    const msgpack::object& version = reply_.field("v");
    const msgpack::object& id = reply_.field("id");
    const bool is_ours = version.type == msgpack::type::POSITIVE_INTEGER && version.via.u64 == kVersion;
    if (id.type == msgpack::type::POSITIVE_INTEGER) reply_.id = id.via.u64;
    else if (id.type != msgpack::type::NIL) refuse("id is no number");
    if (reply_.field("ok").type != msgpack::type::BOOLEAN) refuse("a reply without ok");
    if (!reply_.field("ok").via.boolean) throw_error();  // readable in every version (§11)
    if (!is_ours) refuse("a reply of another version");
    if (id.type == msgpack::type::NIL) refuse("a result without id");  // only refusals may lack it
    reply_.op = text_of(reply_.field("op"));
    if (reply_.op == "pc") reply_.points = array("pointcloud");
    if (reply_.op == "pc" && reply_.points.columns != 3) refuse("pointcloud is not N × 3");
    if (reply_.op == "pc" || reply_.op == "metric_depth" || reply_.op == "rel_depth") read_depth();
    return std::move(reply_);
  }

  // The id of a reply, also of one that `read` refuses; 0 where there is none to be had.
  [[nodiscard]] std::uint64_t id() const { return reply_.id; }

 private:
  static msgpack::object_handle unpack(const zmq::message_t& frame) {
    if (frame.size() > kMaxHeader) refuse("the header is larger than 64 KiB");
    try {
      std::size_t end = 0;
      const msgpack::unpack_limit limit(kMaxElements, kMaxElements, kMaxHeader, kMaxHeader, kMaxExt, kMaxNesting);
      auto handle = msgpack::unpack(frame.data<char>(), frame.size(), end, nullptr, nullptr, limit);
      if (end != frame.size() || handle.get().type != msgpack::type::MAP) refuse("the header is not one map");
      return handle;
    } catch (const std::exception& error) {  // msgpack's own, which share no smaller base
      refuse(std::string("the header cannot be read: ") + error.what());
    }
  }

  [[noreturn]] void throw_error() const {
    const msgpack::object& error = reply_.field("error");
    const msgpack::object& retryable = value_of(error, "retryable");
    const msgpack::object& wait = value_of(error, "retry_after_ms");
    const std::string code = text_of(value_of(error, "code"));
    if (code.empty()) refuse("an error without a code");
    throw Error(code, text_of(value_of(error, "message")),
                retryable.type == msgpack::type::BOOLEAN && retryable.via.boolean, text_of(value_of(error, "field")),
                is_number(wait) ? wait.as<double>() : 0.0);
  }

  void read_depth() {
    reply_.depth = array("depth_map");
    const auto number = [this](const char* name) {
      return is_number(reply_.field(name)) ? reply_.field(name).as<double>() : std::nan("");
    };
    reply_.min = number("min"), reply_.max = number("max");
    reply_.model = text_of(reply_.field("model"));
    if (reply_.field("timing").type != msgpack::type::MAP) return;
    for (const msgpack::object_kv& entry : reply_.field("timing").via.map)
      if (is_number(entry.val)) reply_.timing[text_of(entry.key)] = entry.val.as<double>();
  }

  // msgpack-numpy's map with its five binary keys (§3): here float32 in two dimensions.
  Array array(const char* name) const {
    const msgpack::object& map = reply_.field(name);
    if (map.type != msgpack::type::MAP || map.via.map.size != 5) refuse(std::string(name) + " is no array");
    const auto get = [&map](const char* key) -> const msgpack::object& {
      return value_of(map, key, msgpack::type::BIN);
    };
    const msgpack::object& kind = get("kind");
    if (kind.type != msgpack::type::BIN || kind.via.bin.size != 0) refuse(std::string(name) + " is no plain array");
    if (text_of(get("type")) != "<f4") refuse(std::string(name) + " is not of type <f4");
    const msgpack::object& shape = get("shape");
    if (shape.type != msgpack::type::ARRAY || shape.via.array.size != 2) refuse(std::string(name) + " has not two dimensions");
    for (const msgpack::object& length : shape.via.array)
      if (length.type != msgpack::type::POSITIVE_INTEGER || length.via.u64 > (1U << 28)) refuse("a length out of range");
    Array result;
    result.rows = shape.via.array.ptr[0].via.u64, result.columns = shape.via.array.ptr[1].via.u64;
    const auto [bytes, size] = bytes_of(get("data"));
    if (size != result.size() * sizeof(float)) refuse(std::string(name) + " does not have the bytes of its shape");
    if (reinterpret_cast<std::uintptr_t>(bytes) % alignof(float) == 0) {
      result.owner_ = std::make_shared<std::pair<decltype(frames_), decltype(reply_.header)>>(frames_, reply_.header);
      result.data_ = reinterpret_cast<const float*>(bytes);
    } else {  // ZeroMQ and msgpack put small ones anywhere (§2)
      auto copy = std::make_shared<std::vector<float>>(result.size());
      std::memcpy(copy->data(), bytes, size);
      result.data_ = copy->data(), result.owner_ = std::move(copy);
    }
    return result;
  }

  [[nodiscard]] std::pair<const char*, std::size_t> bytes_of(const msgpack::object& data) const {
    if (data.type == msgpack::type::BIN) return {data.via.bin.ptr, data.via.bin.size};
    if (data.type != msgpack::type::EXT || data.via.ext.type() != kBufferExt || data.via.ext.size != 1)
      refuse("data is neither bytes nor a reference to a buffer");
    const std::size_t index = static_cast<unsigned char>(data.via.ext.data()[0]);
    if (index + 1 >= frames_->size()) refuse("a reference to a buffer that is not there");
    const zmq::message_t& frame = (*frames_)[index + 1];
    return {frame.data<char>(), frame.size()};
  }

  std::shared_ptr<std::vector<zmq::message_t>> frames_;
  Reply reply_;
};

// A connection to one daemon, for one thread (§1).
class Client {
 public:
  explicit Client(const std::string& endpoint, const std::string& server_key = {}, const std::string& public_key = {},
                  const std::string& secret_key = {})
      : socket_(context_, zmq::socket_type::dealer) {
    socket_.set(zmq::sockopt::linger, 0);
    socket_.set(zmq::sockopt::immediate, true);
    socket_.set(zmq::sockopt::heartbeat_ivl, 10'000);
    socket_.set(zmq::sockopt::heartbeat_timeout, 30'000);
    socket_.set(zmq::sockopt::reconnect_ivl, 100);
    socket_.set(zmq::sockopt::reconnect_ivl_max, 2'000);
    socket_.set(zmq::sockopt::maxmsgsize, std::int64_t{1} << 30);
    if (!server_key.empty()) {
      socket_.set(zmq::sockopt::curve_serverkey, server_key);
      socket_.set(zmq::sockopt::curve_publickey, public_key);
      socket_.set(zmq::sockopt::curve_secretkey, secret_key);
    }
    socket_.connect(endpoint);
  }

  // The result of a request. Sends it again, under a new id, after errors that may pass. Throws Error.
  Reply call(Request request, std::chrono::milliseconds timeout = std::chrono::seconds(30)) {
    const auto deadline = Clock::now() + timeout;
    for (;;) {
      request.timeout_ms = std::max(1.0, left_ms(deadline));
      try {
        return ask(request, deadline);
      } catch (const Error& error) {
        const double wait_ms = std::max(error.retry_after_ms, 100.0);
        if (!error.retryable || wait_ms >= left_ms(deadline)) throw;
        std::this_thread::sleep_for(std::chrono::duration<double, std::milli>(wait_ms));
      }
    }
  }

 private:
  using Clock = std::chrono::steady_clock;

  static double left_ms(Clock::time_point deadline) {
    return std::chrono::duration<double, std::milli>(deadline - Clock::now()).count();
  }

  // One try. Replies to tries that were given up are passed by (§7).
  Reply ask(const Request& request, Clock::time_point deadline) {
    const std::uint64_t id = ++last_id_;
    send(encode(request, id), deadline);
    for (;;) {
      wait_for(ZMQ_POLLIN, deadline);
      std::vector<zmq::message_t> frames;
      do {
        if (!socket_.recv(frames.emplace_back(), zmq::recv_flags::dontwait)) break;
      } while (frames.back().more());
      ReplyReader reader(std::move(frames));
      try {
        Reply reply = reader.read();
        if (reply.id == id) return reply;
      } catch (const Error&) {
        if (reader.id() == id || reader.id() == 0) throw;  // without an id it can only be about this one
      }
    }
  }

  void send(const std::vector<std::string>& frames, Clock::time_point deadline) {
    wait_for(ZMQ_POLLOUT, deadline);  // with IMMEDIATE: until a daemon is there
    for (std::size_t i = 0; i < frames.size(); ++i)
      socket_.send(zmq::buffer(frames[i]), i + 1 < frames.size() ? zmq::send_flags::sndmore : zmq::send_flags::none);
  }

  void wait_for(short event, Clock::time_point deadline) {
    zmq::pollitem_t item{socket_.handle(), 0, event, 0};
    const double left = left_ms(deadline);
    if (left <= 0 || zmq::poll(&item, 1, std::chrono::milliseconds(static_cast<long>(left) + 1)) == 0)
      throw Error("CLIENT_TIMEOUT", event == ZMQ_POLLOUT ? "no daemon answers there" : "no answer in time");
  }

  zmq::context_t context_;
  zmq::socket_t socket_;
  std::uint64_t last_id_ = 0;
};

}  // namespace depthwire
