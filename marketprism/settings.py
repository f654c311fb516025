"""Every setting, one class per service, one environment prefix each. Values come from the environment and ``.env``.

The table in ``docs/settings.md`` is generated from these classes (``marketprism settings --markdown``).
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from marketprism.addresses import http_address, http_address_or_none, nats_addresses


def _config(prefix: str) -> SettingsConfigDict:
    return SettingsConfigDict(env_prefix=prefix, env_file=".env", extra="ignore")


class ClickHouseSettings(BaseSettings):
    """How every service reaches ClickHouse."""

    model_config = _config("MARKETPRISM_CLICKHOUSE_")

    url: Annotated[str, AfterValidator(http_address)] = Field(
        "http://127.0.0.1:8123", description="HTTP(S) address; the embedded engine by default"
    )
    user: str = Field("default", description="user for services and migrations")
    password: SecretStr = Field(SecretStr(""), description="its password")
    connect_timeout_s: int = Field(5, ge=1, description="seconds until a connection attempt fails")
    timeout_s: int = Field(300, ge=1, description="seconds until an answer is given up")


class NatsSettings(BaseSettings):
    """How every service reaches NATS JetStream, and how large the streams are."""

    model_config = _config("MARKETPRISM_NATS_")

    url: Annotated[str, AfterValidator(nats_addresses)] = Field(
        "nats://127.0.0.1:4222", description="address of NATS with JetStream; several of a cluster with commas between"
    )
    user: str = Field("", description="user; empty = none")
    password: SecretStr = Field(SecretStr(""), description="its password")
    partitions: int = Field(1, ge=1, le=64, description="streams per data type; fixed for the life of the streams")
    replicas: int = Field(1, ge=1, le=5, description="copies of each stream (3 on a cluster)")
    stream_max_bytes: int = Field(2 << 30, ge=1 << 20, description="size limit of each stream; the oldest go first")
    stream_max_age_s: int = Field(48 * 3600, ge=60, description="age limit of a message in seconds")
    duplicate_window_s: int = Field(600, ge=1, description="how long the server drops a frame it has already stored")

    @property
    def servers(self) -> list[str]:
        """The addresses of ``url``."""
        return [address.strip() for address in self.url.split(",") if address.strip()]


class EmbeddedSettings(BaseSettings):
    """The embedded default: nats-server and the ClickHouse engine as child processes."""

    model_config = _config("MARKETPRISM_EMBEDDED_")

    host: str = Field("127.0.0.1", description="address that embedded servers listen on")
    clickhouse_port: int = Field(8123, ge=0, le=65535, description="port of the embedded ClickHouse HTTP interface")
    nats_port: int = Field(4222, ge=0, le=65535, description="port of the embedded nats-server")
    password: SecretStr = Field(SecretStr(""), description="password of user `default`; empty = none (loopback only)")
    readonly_user: str = Field("analyst", description="name of the read-only user")
    readonly_password: SecretStr = Field(SecretStr(""), description="password of the read-only user; empty = none")
    reader_max_execution_time_s: int = Field(60, ge=1, description="time limit of a reader's statement")
    reader_max_memory_mb: int = Field(2048, ge=64, description="memory limit of a reader's statement")
    max_readers: int = Field(8, ge=1, le=64, description="statements of readers that run at once")
    fsync_after_insert: bool = Field(False, description="survive power loss, about 1 ms an insert")
    refresh_views: bool = Field(
        True, description="views refresh themselves from the start on; false = only after SYSTEM START VIEWS"
    )


class CollectorSettings(BaseSettings):
    """Exchange → NATS."""

    model_config = _config("MARKETPRISM_COLLECTOR_")

    venues: list[str] = Field(["binance.spot", "binance.linear"], description="<exchange>.<market_type> to collect")
    symbols: list[str] = Field(
        ["BTCUSDT", "ETHUSDT"],
        description="the exchange's own ids, patterns such as *USDT, or the busiest of a pattern such as *USDT@top50; "
        "for one venue only with its name before it, as in binance.linear:BTC*",
    )
    depth_levels: int = Field(20, ge=5, le=400, description="levels a side of a published book")
    depth_interval_ms: int = Field(100, ge=0, description="grid of published books in exchange time; 0 = every update")
    best_quotes: bool = Field(True, description="publish each change of the best bid or ask")
    clock: Literal["system", "stamped"] = Field(
        "system", description="stamped: frames carry their receive time (replay, simulator)"
    )
    metrics_port: int = Field(9101, ge=0, le=65535, description="port of /metrics and /health")
    frame_max_rows: int = Field(200, ge=1, le=1000, description="a frame closes at this many rows")
    frame_max_bytes: int = Field(64 * 1024, ge=1024, le=512 * 1024, description="or at this size")
    frame_max_ms: int = Field(20, ge=1, description="or after this time")
    publish_window: int = Field(128, ge=1, le=256, description="frames in flight before the first is acknowledged")
    publish_ack_timeout_s: float = Field(5.0, gt=0, description="an unacknowledged frame is sent again after this")
    publish_max_pending_mb: int = Field(32, ge=1, description="held while NATS is away; then reading stops")
    book_snapshot_levels: int = Field(1000, ge=100, le=5000, description="levels a side of a book snapshot from REST")
    repair_grace_ms: int = Field(50, ge=0, description="how long a missing trade may come out of order")
    repair_timeout_s: float = Field(
        1.0, gt=0, description="a hole is given up after this where REST has no trades by their ids"
    )
    repair_patience_s: float = Field(
        300.0, gt=0, description="a hole is given up, and the trades behind it go on, when REST is away for this long"
    )
    repair_max_trades: int = Field(200_000, ge=1, description="of a longer hole only the newest part is repaired")
    record_dir: Path | None = Field(None, description="raw messages are recorded here, for replays (default: nowhere)")
    record_file_mb: int = Field(256, ge=1, description="a recording file ends at this size")
    record_file_s: float = Field(3600.0, gt=0, description="or after this time")
    record_total_mb: int = Field(50_000, ge=1, description="of all recordings together; the oldest go first")
    record_days: float = Field(7.0, gt=0, description="a recording goes after so many days")
    lease_s: float = Field(
        3.0,
        ge=0,
        description="of two collectors of a venue one publishes what is sampled; its lease ends after this silence "
        "(0 = no lease: both do)",
    )
    patience: float = Field(
        1.0, gt=0, description="factor on the waits before a silent stream or socket counts as dead"
    )
    instruments_interval_s: float = Field(3600.0, gt=0, description="seconds between looks at the symbol list")
    forget_unlisted_s: float = Field(
        3600.0,
        gt=0,
        description="seconds after which what is listed no more leaves its sockets and the memory",
    )
    funding_interval_s: float = Field(300.0, gt=0, description="seconds between looks for settled funding")
    open_interest_interval_s: float = Field(60.0, gt=0, description="seconds between looks at open interest")
    ratio_interval_s: float = Field(120.0, gt=0, description="seconds between looks at long/short ratios")
    binance_spot_ws_url: str = Field("wss://stream.binance.com:9443", description="Binance spot streams")
    binance_spot_ws_fallback_url: str = Field(
        "wss://data-stream.binance.vision", description="tried when a spot stream stays silent; empty = none"
    )
    binance_spot_rest_url: str = Field("https://api.binance.com", description="Binance spot REST")
    binance_spot_trade_stream: str = Field("{symbol}@trade", description="or {symbol}@aggTrade")
    binance_spot_depth_stream: str = Field("{symbol}@depth@100ms", description="diffs of the spot book")
    binance_linear_ws_public_url: str = Field("wss://fstream.binance.com/public", description="USD-M books, raw trades")
    binance_linear_ws_market_url: str = Field("wss://fstream.binance.com/market", description="other USD-M streams")
    binance_linear_ws_fallback_url: str = Field(
        "wss://fstream.binance.com", description="tried when a USD-M stream stays silent; empty = none"
    )
    binance_linear_rest_url: str = Field("https://fapi.binance.com", description="Binance USD-M REST")
    binance_linear_trade_stream: str = Field("{symbol}@aggTrade", description="or {symbol}@trade (undocumented)")
    binance_linear_depth_stream: str = Field("{symbol}@depth@100ms", description="diffs of the USD-M book")
    binance_linear_mark_stream: str = Field("{symbol}@markPrice@1s", description="mark price and predicted funding")
    binance_linear_liquidation_stream: str = Field("!forceOrder@arr", description="or {symbol}@forceOrder")
    binance_listing_stream: str = Field("!contractInfo", description="announces futures listings; empty = none")
    binance_inverse_ws_public_url: str = Field("wss://dstream.binance.com", description="COIN-M books, raw trades")
    binance_inverse_ws_market_url: str = Field("wss://dstream.binance.com/market", description="other COIN-M streams")
    binance_inverse_rest_url: str = Field("https://dapi.binance.com", description="Binance COIN-M REST")
    binance_inverse_trade_stream: str = Field("{symbol}@aggTrade", description="or {symbol}@trade (undocumented)")
    binance_inverse_depth_stream: str = Field("{symbol}@depth@100ms", description="diffs of the COIN-M book")
    binance_inverse_mark_stream: str = Field("{symbol}@markPrice@1s", description="mark price and predicted funding")
    binance_inverse_liquidation_stream: str = Field("!forceOrder@arr", description="or {symbol}@forceOrder")
    binance_option_ws_public_url: str = Field("wss://fstream.binance.com/public", description="option trades and books")
    binance_option_ws_market_url: str = Field("wss://fstream.binance.com/market", description="other option streams")
    binance_option_rest_url: str = Field("https://eapi.binance.com", description="Binance option REST")
    binance_option_trade_stream: str = Field("{underlying}@optionTrade", description="or {symbol}@optionTrade")
    binance_option_depth_stream: str = Field("{symbol}@depth@100ms", description="diffs of an option's book")
    binance_option_mark_stream: str = Field("{underlying}@optionMarkPrice", description="implied volatility and greeks")
    binance_option_interest_stream: str = Field(
        "{underlying}@openInterest@{expiry}",
        description="or {underlying}@optionOpenInterest@{expiry}; empty = REST only",
    )
    binance_option_listing_stream: str = Field("!optionSymbol", description="announces option listings; empty = none")
    okx_ws_url: str = Field("wss://ws.okx.com/ws/v5", description="OKX streams (port 8443 is closed since 2026-10-31)")
    okx_ws_fallback_url: str = Field(
        "wss://wseea.okx.com/ws/v5", description="tried when an OKX stream stays silent; empty = none"
    )
    okx_rest_url: str = Field("https://openapi.okx.com", description="OKX REST")
    okx_rest_fallback_url: str = Field(
        "https://www.okx.com", description="asked when OKX REST does not answer; empty = none"
    )
    okx_trade_channel: Literal["trades-all", "trades"] = Field(
        "trades-all", description="every print, or the prints of a taker order at one price as one row"
    )
    okx_book_channel: str = Field("books", description="400 levels every 100 ms; books-l2-tbt needs a login")
    okx_books_per_connection: int = Field(30, ge=1, le=100, description="OKX advises fewer than about 30 on a socket")
    okx_checksum: bool = Field(
        True, description="verify CRC32 where a book message has one and no ids (recordings before 2023)"
    )
    okx_option_families: list[str] = Field([], description="option families such as BTC-USD; empty = ask OKX for all")
    okx_funding_symbols: list[str] = Field(
        ["*-SWAP", "*_XPERP-*"], description="OKX contracts that pay funding, as patterns"
    )
    okx_funding_history_limit: int = Field(100, ge=1, le=400, description="rows of one page of settled funding")
    okx_open_interest_source: Literal["rest", "ws"] = Field(
        "rest", description="rest: the whole market in one request; ws: a channel for each symbol"
    )
    okx_listing_channel: str = Field("instruments", description="announces OKX listings; empty = none")
    deribit_ws_url: str = Field("wss://www.deribit.com/ws/api/v2", description="Deribit streams")
    deribit_ws_fallback_url: str = Field(
        "wss://streams.deribit.com/ws/api/v2", description="tried when a Deribit stream stays silent; empty = none"
    )
    deribit_rest_url: str = Field("https://www.deribit.com/api/v2", description="Deribit REST")
    deribit_history_url: str = Field(
        "https://history.deribit.com/api/v2",
        description="asked for trades that the main host has no more; empty = none",
    )
    deribit_interval: str = Field("100ms", description="of books, trades and tickers; raw needs a login")
    deribit_currencies: list[str] = Field(["any"], description="currencies whose instruments are asked for")
    deribit_ticker_interval_ms: int = Field(
        1000, ge=0, description="grid of funding and implied volatility in exchange time; 0 = every ticker"
    )
    deribit_volatility_indices: list[str] = Field(
        ["btc_usd", "eth_usd"], description="DVOL indices, collected with deribit.option"
    )
    deribit_listing_channel: str = Field(
        "instrument.state.any.any", description="announces Deribit listings; empty = none"
    )
    bybit_ws_url: str = Field("wss://stream.bybit.com/v5/public", description="Bybit streams; the market is appended")
    bybit_rest_url: str = Field("https://api.bybit.com", description="Bybit REST")
    bybit_book_depth: Annotated[Literal[50, 200, 1000], BeforeValidator(int)] = Field(
        200, description="levels of a Bybit book; 200 come every 100 ms"
    )


class StorageSettings(BaseSettings):
    """NATS → ClickHouse."""

    model_config = _config("MARKETPRISM_STORAGE_")

    metrics_port: int = Field(9102, ge=0, le=65535, description="port of /metrics and /health")
    partitions: str = Field("auto", description="partitions to store, such as 0-3,6; auto = a fair share of them")
    lease_s: float = Field(
        10.0,
        ge=0.5,
        le=3600,
        description="a storage process that is silent for so long loses its partitions to the others",
    )
    min_free_disk_mb: int = Field(
        1_024, ge=0, description="storing pauses while ClickHouse's disk has less room than this; 0 = never"
    )
    disk_check_s: float = Field(5.0, gt=0, description="seconds between looks at ClickHouse's disk")
    batch_max_rows: int = Field(100_000, ge=1, le=100_000, description="rows of one insert")
    batch_max_bytes: int = Field(64 << 20, ge=1 << 16, le=64 << 20, description="bytes of one insert")
    batch_max_ms: int = Field(25, ge=1, description="how long a batch waits for more rows")
    batch_small_rows: int = Field(250, ge=0, description="a batch of fewer rows waits `batch_small_ms` for more")
    batch_small_ms: int = Field(
        400, ge=1, description="how long a small batch waits: an insert costs the same for one row as for hundreds"
    )
    batch_max_frames: int = Field(5_000, ge=1, le=50_000, description="messages of one insert")
    default_t_max_ms: int = Field(60_000, ge=1_000, description="time limit of a bucket without a bucket_config row")
    default_q_notional: dict[str, Annotated[float, Field(ge=0, allow_inf_nan=False)]] = Field(
        {
            "*.linear.BTC*": 3_000_000.0,
            "*.linear.ETH*": 3_000_000.0,
            "*.linear.SOL*": 700_000.0,
            "*.inverse.BTC*": 300_000.0,
            "*.inverse.ETH*": 200_000.0,
            "*.spot.BTC*": 600_000.0,
            "*.spot.ETH*": 400_000.0,
            "*.spot.SOL*": 150_000.0,
        },
        description="quote units that close a bucket without a bucket_config row, by <exchange>.<market_type>.<symbol> "
        "pattern (first match; no match = time buckets)",
    )
    history_url: str = Field("https://data.binance.vision", description="archive of `marketprism backfill`")
    history_latency_ms: int = Field(
        100, ge=0, description="archive rows have no receipt: they count as received this long after the exchange time"
    )
    history_contract_sizes: dict[str, Annotated[int, Field(gt=0)]] = Field(
        {"BTCUSD*": 100, "*USD*": 10},
        description="quote units of a COIN-M contract by symbol pattern, where instruments has no row",
    )
    history_download_dir: Path | None = Field(None, description="where zips lie while they are read (system's default)")
    archive_after_days: int = Field(7, ge=1, description="`archive --drop` keeps hot rows stored within these days")
    archive_remote_url: Annotated[str, AfterValidator(http_address_or_none)] = Field(
        "",
        description="another ClickHouse for cold days, http(s)://user:password@host:port; empty = the same",
    )
    archive_drop: bool = Field(
        True, description="the daily job drops hot days that are verified in cold and old enough"
    )
    calibrate_days: int = Field(
        0, ge=0, description="days of the window by which buckets are calibrated daily at 23:00 UTC; 0 = not at all"
    )
    days_every_s: float = Field(
        60.0, ge=0, description="seconds between looks at the rebuild queue and at what is due daily; 0 = not here"
    )
    feature_jobs_every_s: float = Field(
        300.0,
        ge=0,
        description="seconds between runs of the jobs that compute clusters; the registry of features is looked at"
        " daily; 0 = not here",
    )
    days_of: Literal["all", "own"] = Field(
        "all", description="own: ClickHouse is a shard of a cluster; look after the days of these partitions only"
    )
    days_quiet_s: int = Field(
        3_600, ge=0, description="a closed day is left alone until no row of it has been stored for this long"
    )


class MonitorSettings(BaseSettings):
    """ClickHouse and services → people."""

    model_config = _config("MARKETPRISM_MONITOR_")

    metrics_port: int = Field(9103, ge=0, le=65535, description="port of /metrics and /health")
    interval_s: float = Field(5.0, gt=0, description="seconds between looks")
    look_timeout_s: float = Field(15.0, gt=0, description="a look that takes longer counts as no answer")
    max_symbols: int = Field(200, ge=1, description="symbols with metrics of their own; the least recent go first")
    collector_url: Annotated[str, AfterValidator(http_address)] = Field(
        "http://127.0.0.1:9101", description="where the collector's /ready answers"
    )
    storage_url: Annotated[str, AfterValidator(http_address)] = Field(
        "http://127.0.0.1:9102", description="where the storage service's /ready answers"
    )
    quality_interval_s: float = Field(30.0, gt=0, description="seconds between looks at lengths, books, lags and disks")
    health_interval_s: float = Field(2.0, gt=0, le=5, description="seconds between looks of the serving health check")
    degrade_stale_s: float = Field(300.0, gt=0, description="a symbol without a closed bucket for longer is degraded")
    degrade_slow_s: float = Field(120.0, gt=0, description="or one whose hourly p90 bucket length is above this")
    recover_buckets: int = Field(10, ge=1, le=100, description="complete buckets that make a symbol healthy again")
    receiver_port: int = Field(9095, ge=0, le=65535, description="port of the webhook that logs alerts")


class WebSettings(BaseSettings):
    """The web page: ClickHouse and services → a browser."""

    model_config = _config("MARKETPRISM_WEB_")

    host: str = Field("127.0.0.1", description="address of the page; anything but loopback demands a token")
    port: int = Field(9180, ge=0, le=65535, description="port of the page")
    token: SecretStr = Field(SecretStr(""), description="what a browser must know; empty = none (loopback only)")
    prometheus_url: Annotated[str, AfterValidator(http_address_or_none)] = Field(
        "", description="Prometheus whose alerts the time axis shows; empty = none"
    )
    metrics_open: bool = Field(False, description="/metrics without the token, for a Prometheus beside the page")
    clickhouse_user: str = Field("analyst", description="user the page reads with; give it no right but SELECT")
    clickhouse_password: SecretStr = Field(SecretStr(""), description="its password")
    sql_max_rows: int = Field(10_000, ge=1, le=1_000_000, description="rows of a result that the SQL view shows")
    sql_max_export_rows: int = Field(1_000_000, ge=1, description="rows of an exported result")
    sql_max_time_s: int = Field(20, ge=1, le=600, description="seconds until a statement of the SQL view is cancelled")
    sql_max_memory_mb: int = Field(1024, ge=64, description="memory limit of a statement of the SQL view")
    sql_at_once: int = Field(2, ge=1, le=32, description="statements of the SQL view that run at once; others wait")
    max_streams: int = Field(200, ge=1, description="pages that may be open at once")
    refresh_ms: int = Field(1000, ge=100, description="milliseconds between looks at what moves; the book takes half")


class AppSettings(BaseSettings):
    """What belongs to no single service."""

    model_config = _config("MARKETPRISM_")

    data_dir: Path = Field(Path("data"), description="where the embedded default keeps everything")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="least severe log line shown")
    log_format: Literal["text", "json"] = Field("text", description="json for machines")
    log_flow: bool = Field(False, description="log each frame that NATS took and each block that ClickHouse stored")
    metrics_host: str = Field("127.0.0.1", description="address of /metrics and /health (0.0.0.0 in a container)")


ALL_SETTINGS: tuple[type[BaseSettings], ...] = (
    AppSettings,
    ClickHouseSettings,
    NatsSettings,
    EmbeddedSettings,
    CollectorSettings,
    StorageSettings,
    MonitorSettings,
    WebSettings,
)


def variable_of(settings: type[BaseSettings], field: str) -> str:
    """The environment variable of a field."""
    return f"{settings.model_config.get('env_prefix', '')}{field}".upper()


def known_variables() -> set[str]:
    """Every variable that some settings class reads."""
    return {variable_of(settings, field) for settings in ALL_SETTINGS for field in settings.model_fields}
