"""Dates, tables, gaps and transforms: what a series goes through before anything is trained."""

import datetime as dt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastrnn.forecasting import Calendar, Series, TableError, Transform, read_table, series_in
from fastrnn.forecasting.calendar import BUSINESS_DAYS, DateError, read_dates
from fastrnn.forecasting.season import season_of


def series_of(text, *arguments, **options):
    return series_in(read_table(text), *arguments, **options)


def table_of(dates, head="date,value"):
    return "\n".join([head, *(f"{date},{i}" for i, date in enumerate(dates))])


# ---- dates ----


@pytest.mark.parametrize(
    ("dates", "step", "season", "following"),
    [
        (("2019", "2020", "2021"), "year", None, ("2022", "2023")),
        (("2020-Q3", "2020-Q4", "2021-Q1"), "quarter", 4, ("2021-Q2", "2021-Q3")),
        (("2020Q4", "2021Q1", "2021Q2"), "quarter", 4, ("2021Q3", "2021Q4")),
        (("2020-10", "2020-11", "2020-12"), "month", 12, ("2021-01", "2021-02")),
        (("2020/10", "2020/12", "2021/02"), "2 months", 6, ("2021/04", "2021/06")),
        (("2020-01-31", "2020-02-29", "2020-03-31"), "month", 12, ("2020-04-30", "2020-05-31")),
        (("2020-01-30", "2020-02-29", "2020-03-30"), "month", 12, ("2020-04-30", "2020-05-30")),
        (("2020-03-30", "2020-06-30", "2020-09-30", "2020-12-30"), "quarter", 4, ("2021-03-30", "2021-06-30")),
        (("2018-12-30", "2019-12-30", "2020-12-30"), "year", None, ("2021-12-30",)),
        (("2020-01-15", "2020-02-15", "2020-03-15"), "month", 12, ("2020-04-15", "2020-05-15")),
        (("2020-02-26", "2020-02-27", "2020-02-28", "2020-03-02"), "business day", 5, ("2020-03-03", "2020-03-04")),
        (("28.02.2020", "29.02.2020", "01.03.2020"), "day", 7, ("02.03.2020", "03.03.2020")),
        (("2020-02-22", "2020-02-29", "2020-03-07"), "week", 52, ("2020-03-14", "2020-03-21")),
        (("2020-02-29T22:00", "2020-02-29T23:00", "2020-03-01T00:00"), "hour", 24, ("2020-03-01T01:00",)),
        (("2020-02-29 23:30:00", "2020-02-29 23:45:00"), "15 minutes", 96, ("2020-03-01 00:00:00",)),
        (("2020-02-29T23:59:58Z", "2020-02-29T23:59:59Z"), "second", None, ("2020-03-01T00:00:00Z",)),
        (("2020-01-01", "2020-01-11", "2020-01-21"), "10 days", None, ("2020-01-31",)),
    ],
)
def test_dates_go_on_as_they_are_written(dates, step, season, following):
    series = series_of(table_of(dates), missing="interpolate")
    assert (series.calendar.step, series.calendar.season) == (step, season)
    T = len(series.values)
    assert series.label(0) == dates[0]
    assert series.label(T - 1) == dates[-1]
    assert tuple(series.label(T + i) for i in range(len(following))) == following


@settings(max_examples=60, deadline=None)
@given(
    start=st.datetimes(dt.datetime(1600, 1, 1), dt.datetime(2200, 1, 1)),
    step=st.sampled_from([1, 60, 900, 3600, 86400, 7 * 86400, 90061]),
    count=st.integers(2, 30),
)
def test_positions_and_dates_are_each_others_inverse(start, step, count):
    start = start.replace(microsecond=0)
    written = [(start + dt.timedelta(seconds=step * i)).isoformat() for i in range(count)]
    dates, layout = read_dates(written)
    calendar = Calendar.of(dates, layout)
    assert [calendar.text(calendar.position(date)) for date in dates] == written
    assert [calendar.position(date) for date in dates] == list(range(count))


@settings(max_examples=40, deadline=None)
@given(start=st.dates(dt.date(1800, 1, 1), dt.date(2200, 1, 1)), count=st.integers(6, 30))
def test_business_days_leave_weekends_out(start, count):
    days = [start + dt.timedelta(days=i) for i in range(2 * count)]
    days = [day for day in days if day.weekday() < BUSINESS_DAYS][:count]
    dates, layout = read_dates([day.isoformat() for day in days[:-2]])
    calendar = Calendar.of(dates, layout)
    if calendar.unit == "business days":
        assert [calendar.text(i) for i in range(count)] == [day.isoformat() for day in days]
    else:  # all within one week, or one day of a month
        assert len(days) < 10


def test_the_phase_of_a_date_does_not_depend_on_where_a_series_begins():
    months = [f"{2000 + i // 12}-{i % 12 + 1:02d}" for i in range(40)]
    whole, late = (series_of(table_of(part)) for part in (months, months[7:]))
    assert (whole.phase(12) + 7) % 12 == late.phase(12)


@pytest.mark.parametrize(
    ("dates", "row", "said"),
    [
        (("2020-01", "2020-13"), 1, "expected a date like 2020-01, got '2020-13'"),
        (("2020-01-30", "2020-02-30"), 1, "'2020-02-30'"),
        (("2020-01", "2020-02-01"), 1, "expected a date like 2020-01"),
        (("2020-02", "2020-01"), 1, "2020-01 is earlier than 2020-02 before it; expected dates in order"),
        (("2020-01", "2020-02", "2020-02"), 2, "2020-02 comes twice"),
        (("2020-01-01", "2020-01-02", "2023-01-01", "2023-01-02"), 0, "no rhythm"),
        (("01/02/2020", "01/03/2020"), 0, "expected a date such as 2024-05-31"),  # which is the day?
    ],
)
def test_dates_that_can_not_be_read(dates, row, said):
    with pytest.raises(DateError, match=r".*") as caught:
        Calendar.of(*read_dates(dates))
    assert said in str(caught.value)
    assert caught.value.row == row


def test_dates_in_an_unknown_layout_do_not_get_lost():
    for head in ("date,value", "Date,value", "start_date,value"):
        with pytest.raises(TableError, match=r"line 2: .*expected a date such as .*, got '5/31/2020'"):
            series_of(table_of(["5/31/2020", "6/30/2020"], head), "value")
    for head in ("update,value", "time,value"):  # no dates: numbers of steps
        assert series_of(table_of(["0.5", "1.0"], head), "value").calendar is None
    assert series_of("date\n1\n2\n").name == "date"  # a table of this column alone


# ---- tables ----


@pytest.mark.parametrize(
    "text",
    [
        "date,x\n2020-01,1.5\n2020-02,-2\n",
        "date;x\n2020-01;1.5\n2020-02;-2\n",
        "date\tx\n2020-01\t1.5\n2020-02\t-2\n",
        '"date","x"\n"2020-01","1.5"\n"2020-02"," -2 "\n',
        "\n\ndate,x\n\n2020-01,1.5\n\n2020-02,-2\n\n",
        "date,x\r2020-01,1.5\r2020-02,-2\r",
        '\ufeff"date",x\n2020-01,1.5\n2020-02,-2\n',
        "x,date\n1.5,2020-01\n-2,2020-02",
        "x,date,note\n1.5,2020-01,a\n-2e0,2020-02,",
    ],
)
def test_tables_of_all_kinds(text):
    series = series_of(text, "x")
    assert series.values.tolist() == [1.5, -2.0]
    assert (series.name, series.label(2)) == ("x", "2020-03")


def test_a_single_column_without_dates():
    series = series_of("x\n1\n2\n3\n")
    assert series.calendar is None
    assert series.values.tolist() == [1, 2, 3]
    assert series.label(3) == "4"


def test_years_are_dates_where_they_are_called_so():
    assert series_of("Year,x\n2000,1\n2001,2\n").label(2) == "2002"
    assert series_of("flow\n1120\n1160\n963\n").values.tolist() == [1120, 1160, 963]


@pytest.mark.parametrize(
    ("text", "options", "said"),
    [
        ("", {}, "blank lines"),
        ("\n \n", {}, "blank lines"),
        ("date,x\n", {}, "a header and nothing below it"),
        ("1,2\n3,4\n", {}, "line 1: expected a header"),
        ("date,x\n2020-01,1\n", {"column": "y"}, "--column: no column 'y'; there are 'date', 'x'"),
        ("date,x\n2020-01,1\n", {"date": "y"}, "--date: no column 'y'"),
        ("date,x\n2020-01,1\n", {"column": "date"}, "line 2: expected a number, got '2020-01'"),
        ("date,x\n2020-01,1\n", {"column": "date", "date": "date"}, "--column: 'date' is the column of dates"),
        ("x,x\n1,1\n", {"column": "x"}, "two columns have the name 'x'"),
        ("a,b\n1,1\n", {}, "--column: expected the name of one of the columns 'a', 'b'"),
        ("date,x\n2020-01,1\n2020-02,high\n", {}, "line 3: expected a number, got 'high'"),
        ("date;x\n2020-01;1,5\n", {}, "line 2: expected a number, got '1,5' (a decimal comma? expected a point)"),
        ("date,x\n2020-01,1,5\n", {}, "line 2: expected 2 fields as in the header, got 3; are there decimal commas?"),
        ("date,x\n2020-01\n", {}, "line 2: expected 2 fields as in the header, got 1"),
        ("date,x\n2020-01,inf\n", {}, "line 2: expected a number, got 'inf'"),
        ("date,x\n2020-01,1e999\n", {}, "line 2: expected numbers up to 1e+100"),
        ("date,x\n2020-01,1_000\n", {}, "line 2: expected a number, got '1_000'"),
        ("date,x\n2020-01,٣\n", {}, "line 2: expected a number"),
        ('date,x\n2020-01,"1\n2020-02,2\n', {}, "line 3: unexpected end of data"),
        ("date,x\n2020-01,1\n2020-03,1\n2020-04,1\n", {}, "line 3: no row for 2020-02 before this one"),
        ("date,x\n2020-01,1\n2020-01,1\n", {}, "line 3: date: the date 2020-01 comes twice"),
        ("date,x\n2020-02,1\n2020-01,1\n", {}, "line 3: date: the date 2020-01 is earlier"),
        ("date,x\n2020-01,1\nsoon,1\n", {}, "line 3: date: expected a date like 2020-01, got 'soon'"),
        ("date,x\nsoon,1\n", {"date": "date"}, "line 2: date: expected a date such as"),
        ("date,x\n2020-01,1\n\n2020-02,\n", {}, "line 4: the value is missing; --missing interpolate or previous"),
        ("x\nnan\n1\n", {"missing": "interpolate"}, "line 2: the value is missing, and there is none"),
        ("x\n1\nNA\n", {"missing": "interpolate"}, "line 3: the value is missing, and there is none"),
        ("x,y\n?,1\n1,1\n", {"column": "x", "missing": "previous"}, "line 2: the value is missing, and there is none"),
        ("x,y\n?,1\nNA,1\n", {"column": "x", "missing": "previous"}, "line 2: the value is missing, and there is none"),
        ("x" * 200_000 + "\n1\n", {"column": "y"}, "line 1: field larger than field limit"),
        ("x\n" + '"' + "1" * 200_000 + '"\n', {}, "line 2: field larger than field limit"),
    ],
)
def test_what_is_wrong_with_a_table(text, options, said):
    with pytest.raises(TableError) as caught:
        series_of(text, **options)
    assert said in str(caught.value)
    assert len(str(caught.value)) < 300


@settings(max_examples=150, deadline=None)
@given(st.text(st.sampled_from('0129-.,;\t\n"ax '), max_size=60))
def test_any_text_is_a_series_or_a_table_error(text):
    try:
        series = series_of(text)
    except TableError:
        return
    assert np.isfinite(series.values).all()


# ---- gaps ----


def test_gaps_are_filled():
    text = "date,x\n2020-01,1\n2020-02,na\n2020-04,4\n2020-05,\n"
    assert series_of(text, missing="previous").values.tolist() == [1, 1, 1, 4, 4]
    with pytest.raises(TableError, match="line 5"):
        series_of(text, missing="interpolate")
    assert series_of(text + "2020-06,8\n", missing="interpolate").values.tolist() == [1, 2, 3, 4, 6, 8]


# ---- transforms ----


@settings(max_examples=60, deadline=None)
@given(
    stabilizer=st.sampled_from(["none", "log", "sqrt"]),
    lags=st.sampled_from([(), (1,), (4,), (1, 4), (3, 3)]),
    seed=st.integers(0, 99),
)
def test_a_transform_is_undone(stabilizer, lags, seed):
    transform = Transform(stabilizer, lags)
    y = np.random.default_rng(seed).uniform(0.1, 9, 20)
    z = transform.stabilized(y)
    w = transform.differenced(z)
    assert len(w) == 20 - transform.lost
    rebuilt = [w[i] + transform.carried(z[: transform.lost + i]) for i in range(len(w))]
    np.testing.assert_allclose(rebuilt, z[transform.lost :], atol=1e-12)
    np.testing.assert_allclose(transform.restored(z), y, rtol=1e-12)


def test_differences_by_hand():
    transform = Transform("none", (1, 2))
    assert transform.polynomial.tolist() == [1, -1, -1, 1]  # (1 - B)(1 - B²)
    assert transform.differenced(np.array([1.0, 2, 4, 8, 16])).tolist() == [3, 6]
    assert Transform("sqrt", ()).restored(np.array([-1.0, 3.0])).tolist() == [0, 9]
    assert str(Transform("log", (1, 12))) == "logarithm, difference of 1 step, difference of 12 steps"


# ---- seasons ----


def test_the_season_is_found():
    t = np.arange(200)
    rng = np.random.default_rng(0)
    assert season_of(Series(np.sin(2 * np.pi * t / 17) + 0.1 * rng.normal(size=200))) == 17
    assert season_of(Series(rng.normal(size=200).cumsum())) == 1
    assert season_of(Series(t.astype(float))) == 1
    months = series_of(table_of([f"{2000 + i // 12}-{i % 12 + 1:02d}" for i in range(24)]))
    assert season_of(months) == 12
