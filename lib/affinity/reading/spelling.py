"""How values are read out of text, as SQL: times, amounts and ids; null where a text says none."""

UTC = "UTC"
# After the day that stands for unreadable times, wherever the business is; a clock that counts from zero shows itself.
_FIRST = "TIMESTAMPTZ '1970-01-03 00:00:00+00'"
# Past the last year that a clock of nanoseconds holds nobody can read a time but few: milliseconds taken for seconds.
_LAST = "TIMESTAMPTZ '2262-01-01 00:00:00+00'"
_MAX_SECS = 100_000_000_000
_DAY = r"\d{4}-\d{2}-\d{2}"
_ZONE = r"(Z|[+-][01]\d(:?[0-5]\d)?)"
_ISO = rf"{_DAY}([T ]\d{{2}}:\d{{2}}(:\d{{2}}(\.\d{{1,9}})?)?{_ZONE}?)?"
# Points group thousands there, and nothing else: 9.9 is no number, 1.299,00 is one.
_COMMA_NUMBER = r"[+-]?(\d*|\d{1,3}(\.\d{3})+)(,\d*)?"
_HAS_ZONE = rf":\d{{2}}(\.\d+)?{_ZONE}$"

MACROS = f"""
CREATE MACRO told(x) AS nullif(trim(x), '');
CREATE MACRO amount_of(x) AS CAST(TRY_CAST(x AS DECIMAL(15, 4)) AS DECIMAL(18, 4));  -- so that sums of a thousand fit
CREATE MACRO number(x) AS CASE WHEN NOT contains(x, '_') THEN amount_of(x) END;
CREATE MACRO bare_amount(x) AS regexp_replace(x, '[ \u00a0\u202f€$£]', '', 'g');
CREATE MACRO comma_number(x) AS CASE WHEN regexp_full_match(bare_amount(x), '{_COMMA_NUMBER}')
    THEN number(replace(replace(bare_amount(x), '.', ''), ',', '.')) END;
CREATE MACRO plausible(ts) AS CASE WHEN ts >= {_FIRST} AND ts < {_LAST} THEN ts END;
CREATE MACRO wall_to_utc(wall, zone) AS
    CASE WHEN timezone(zone, timezone(zone, wall) - INTERVAL 1 HOUR) = wall
    THEN timezone(zone, wall) - INTERVAL 1 HOUR ELSE timezone(zone, wall) END;
CREATE MACRO iso_ts(x, zone) AS
    CASE WHEN NOT regexp_full_match(x, '{_ISO}') THEN NULL
    WHEN ends_with(x, 'Z') OR regexp_matches(x, '{_HAS_ZONE}') THEN TRY_CAST(x AS TIMESTAMPTZ)
    ELSE wall_to_utc(TRY_CAST(x AS TIMESTAMP), zone) END;
CREATE MACRO epoch_ts(x, per_sec) AS CASE WHEN TRY_CAST(x AS DECIMAL(38, 6)) IS NOT NULL AND NOT contains(x, '_') THEN
    make_timestamptz(CAST(round(greatest(least(
        TRY_CAST(x AS DECIMAL(38, 6)) / per_sec, {_MAX_SECS}), -{_MAX_SECS}) * 1000000) AS BIGINT)) END;
"""


def quoted(text: str) -> str:
    """A text as a literal of SQL."""
    return "'" + text.replace("'", "''") + "'"


def ts(text: str, spelling: str, zone: str) -> str:
    """The time that the SQL ``text`` says, UTC; in any year: ask ``plausible`` next.

    A wall clock's hour that comes twice is its first one; one that is skipped is as far behind the gap as it was in it.
    """
    if spelling == "epoch_seconds":
        return f"epoch_ts({text}, 1)"
    if spelling == "epoch_micros":
        return f"epoch_ts({text}, 1000000)"
    if spelling == "epoch_millis":
        return f"epoch_ts({text}, 1000)"
    if spelling == "iso8601":
        return f"iso_ts({text}, {quoted(zone)})"
    read = f"try_strptime({text}, {quoted(spelling)})"
    if "%z" in spelling or "%Z" in spelling:
        return read
    return f"timezone('{UTC}', {read})" if zone == UTC else f"wall_to_utc({read}, {quoted(zone)})"


def local_date(moment: str, zone: str) -> str:
    """The day of a time in a zone."""
    return f"CAST(timezone({quoted(zone)}, {moment}) AS DATE)"
