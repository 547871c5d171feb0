//! Values between the two languages: times, attributes, enumerations, and Python's own data classes.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use peergraph::{Attributes, Moment, Role, Timestamp, Value, names::Named};
use pyo3::{
    IntoPyObjectExt,
    exceptions::{PyOverflowError, PyTypeError, PyUnicodeEncodeError},
    prelude::*,
    pybacked::PyBackedBytes,
    sync::PyOnceLock,
    types::{PyBool, PyBytes, PyDateTime, PyDelta, PyDict, PyFloat, PyInt, PyList, PyString, PyTuple},
};

use crate::errors::invalid;

/// The last moment that `datetime` knows, in milliseconds.
const LAST: u64 = 253_402_300_799_000;

pub(crate) fn time(py: Python<'_>, at: Timestamp) -> PyResult<Py<PyAny>> {
    let at: SystemTime = Timestamp(at.0.min(LAST)).into();
    Ok(at.into_pyobject(py)?.into_any().unbind())
}

pub(crate) fn maybe_time(py: Python<'_>, at: Option<Timestamp>) -> PyResult<Py<PyAny>> {
    at.map_or_else(|| Ok(py.None()), |at| time(py, at))
}

/// The beginning of 1970, as Python's `datetime`.
fn epoch(py: Python<'_>) -> PyResult<&Bound<'_, PyAny>> {
    static EPOCH: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let made = EPOCH.get_or_try_init(py, || {
        let module = py.import("datetime")?;
        let utc = module.getattr("timezone")?.getattr("utc")?;
        Ok::<_, PyErr>(module.getattr("datetime")?.call_method1("fromtimestamp", (0, utc))?.unbind())
    })?;
    Ok(made.bind(py))
}

/// Milliseconds since 1970, negative before; what is finer is cut. The name of the argument is for the error.
fn millis(value: &Bound<'_, PyAny>, name: &str) -> PyResult<i64> {
    let Ok(at) = value.cast::<PyDateTime>() else {
        return Err(expected(value, name, "a datetime.datetime"));
    };
    if at.call_method0("utcoffset")?.is_none() {
        return Err(invalid(&format!("{name} needs a time zone: datetime.now(timezone.utc)")));
    }
    let since = at.sub(epoch(value.py())?)?;
    let part = |of: &str| since.getattr(of)?.extract::<i64>();
    Ok((part("days")? * 86_400 + part("seconds")?) * 1000 + part("microseconds")?.div_euclid(1000))
}

/// A moment of a clock: not before 1970.
pub(crate) fn moment(value: &Bound<'_, PyAny>, name: &str) -> PyResult<Timestamp> {
    match u64::try_from(millis(value, name)?) {
        Ok(since) => Ok(Timestamp(since)),
        Err(_) => Err(invalid(&format!("{name} is before 1970"))),
    }
}

/// A moment of an application's own data, which may lie before 1970.
fn signed_time(py: Python<'_>, at: Moment) -> PyResult<Py<PyAny>> {
    let since = py.import("datetime")?.getattr("timedelta")?.call1((0, 0, 0, at.0))?;
    Ok(epoch(py)?.add(since)?.unbind())
}

/// A `timedelta` that is not negative; the name of the argument is for the error.
pub(crate) fn span(value: &Bound<'_, PyAny>, name: &str) -> PyResult<Duration> {
    let Ok(delta) = value.cast::<PyDelta>() else {
        return Err(expected(value, name, "a datetime.timedelta"));
    };
    let seconds: f64 = delta.call_method0("total_seconds")?.extract()?;
    Duration::try_from_secs_f64(seconds).map_err(|_| invalid(&format!("{name} cannot be negative")))
}

pub(crate) fn maybe_span(value: Option<&Bound<'_, PyAny>>, name: &str) -> PyResult<Option<Duration>> {
    value.map(|value| span(value, name)).transpose()
}

/// The error for an argument of another type.
pub(crate) fn expected(value: &Bound<'_, PyAny>, name: &str, wanted: &str) -> PyErr {
    let kind = value.get_type().name().map_or_else(|_| "an object".to_owned(), |name| name.to_string());
    PyTypeError::new_err(format!("{name} is {wanted}, not {kind}"))
}

/// A text. Python's strings can hold half of a surrogate pair, which has no UTF-8.
pub(crate) fn text(value: &Bound<'_, PyAny>, name: &str) -> PyResult<String> {
    let Ok(text) = value.cast::<PyString>() else {
        return Err(expected(value, name, "a str"));
    };
    let whole = text.to_cow().map(std::borrow::Cow::into_owned);
    whole.map_err(|_| invalid(&format!("{name} holds half of a surrogate pair")))
}

/// The attribute of an object that stands for options, such as `NodeConfig.bind`.
pub(crate) fn field<'py, T>(value: &Bound<'py, PyAny>, name: &str) -> PyResult<T>
where
    T: for<'a> FromPyObject<'a, 'py>,
{
    let py = value.py();
    let found = value.getattr(name)?;
    found.extract::<T>().map_err(|error| {
        let error: PyErr = error.into();
        let of = value.get_type().name().map_or_else(|_| String::new(), |name| name.to_string());
        if error.is_instance_of::<PyUnicodeEncodeError>(py) {
            invalid(&format!("{of}.{name} holds half of a surrogate pair"))
        } else if error.is_instance_of::<PyOverflowError>(py) {
            invalid(&format!("{of}.{name} is out of range"))
        } else {
            PyTypeError::new_err(format!("{of}.{name}: {}", error.value(py)))
        }
    })
}

/// Bytes that Python keeps: they are not copied before their size is known to be allowed, unless they are few.
pub(crate) fn content(bytes: &Bound<'_, PyBytes>) -> Bytes {
    const COPIED: usize = 4096;
    if bytes.as_bytes().len() <= COPIED {
        return Bytes::copy_from_slice(bytes.as_bytes());
    }
    Bytes::from_owner(PyBackedBytes::from(bytes.clone()))
}

pub(crate) fn attributes_from(dict: &Bound<'_, PyDict>) -> PyResult<Attributes> {
    let mut attributes = Attributes::new();
    for (name, value) in dict {
        let name = text(&name, "a name of attributes")?;
        let value = value_from(&value, &name)?;
        attributes.insert(name, value);
    }
    Ok(attributes)
}

fn value_from(value: &Bound<'_, PyAny>, name: &str) -> PyResult<Value> {
    // `bool` is an `int` in Python, so it is asked for first.
    if let Ok(flag) = value.cast::<PyBool>() {
        Ok(Value::Boolean(flag.is_true()))
    } else if value.is_instance_of::<PyString>() {
        Ok(Value::String(text(value, &format!("attribute {name:?}"))?))
    } else if value.is_instance_of::<PyInt>() {
        let number = value.extract::<i64>();
        Ok(Value::Integer(number.map_err(|_| invalid(&format!("attribute {name:?} has more than 64 bits")))?))
    } else if value.is_instance_of::<PyFloat>() {
        Ok(Value::Float(value.extract()?))
    } else if let Ok(bytes) = value.cast::<PyBytes>() {
        Ok(Value::Bytes(bytes.as_bytes().to_vec().into()))
    } else if value.is_instance_of::<PyDateTime>() {
        Ok(Value::Time(Moment(millis(value, &format!("attribute {name:?}"))?)))
    } else if value.is_instance_of::<PyList>() || value.is_instance_of::<PyTuple>() {
        let items = value.try_iter()?.map(|item| value_from(&item?, name));
        let items = items.collect::<PyResult<Vec<_>>>()?;
        if items.iter().any(|item| matches!(item, Value::List(_))) {
            return Err(invalid(&format!("attribute {name:?} is a list in a list")));
        }
        Ok(Value::List(items))
    } else {
        let kind = value.get_type().name()?;
        Err(PyTypeError::new_err(format!(
            "attribute {name:?} is a {kind}; str, int, float, bool, bytes, datetime and lists of these can be kept"
        )))
    }
}

pub(crate) fn attributes_to(py: Python<'_>, attributes: &Attributes) -> PyResult<Py<PyAny>> {
    let dict = PyDict::new(py);
    for (name, value) in attributes {
        dict.set_item(name, value_to(py, value)?)?;
    }
    Ok(dict.into_any().unbind())
}

fn value_to(py: Python<'_>, value: &Value) -> PyResult<Py<PyAny>> {
    Ok(match value {
        Value::String(text) => text.into_pyobject(py)?.into_any().unbind(),
        Value::Integer(number) => number.into_pyobject(py)?.into_any().unbind(),
        Value::Float(number) => number.into_pyobject(py)?.into_any().unbind(),
        Value::Boolean(flag) => flag.into_pyobject(py)?.to_owned().into_any().unbind(),
        Value::Time(at) => signed_time(py, *at)?,
        Value::Bytes(bytes) => PyBytes::new(py, bytes).into_any().unbind(),
        Value::List(values) => {
            let items = values.iter().map(|value| value_to(py, value)).collect::<PyResult<Vec<_>>>()?;
            PyList::new(py, items)?.into_any().unbind()
        }
    })
}

pub(crate) fn role(text: &str) -> PyResult<Role> {
    text.parse::<Role>().map_err(|error| invalid(&error.to_string()))
}

/// A class of the package.
pub(crate) fn class<'py>(py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyAny>> {
    static PACKAGE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let package =
        PACKAGE.get_or_try_init(py, || Ok::<_, PyErr>(py.import("peergraph")?.into_any().unbind()))?;
    package.bind(py).getattr(name)
}

/// An object of a class of the package, from its fields in order; of an enumeration, from its text.
pub(crate) fn make<'py, A>(py: Python<'py>, name: &str, fields: A) -> PyResult<Py<PyAny>>
where
    A: pyo3::call::PyCallArgs<'py>,
{
    Ok(class(py, name)?.call1(fields)?.unbind())
}

/// An enumeration as the member of the class of the same name.
pub(crate) fn named<T: Named>(py: Python<'_>, value: T) -> PyResult<Py<PyAny>> {
    make(py, T::TYPE, (value.word(),))
}

/// A tuple of what a closure makes of each.
pub(crate) fn tuple<T>(
    py: Python<'_>,
    items: impl IntoIterator<Item = T>,
    f: impl Fn(Python<'_>, T) -> PyResult<Py<PyAny>>,
) -> PyResult<Py<PyAny>> {
    let items = items.into_iter().map(|item| f(py, item)).collect::<PyResult<Vec<_>>>()?;
    Ok(PyTuple::new(py, items)?.into_any().unbind())
}

/// A list of what a closure makes of each.
pub(crate) fn list<T>(
    py: Python<'_>,
    items: impl IntoIterator<Item = T>,
    f: impl Fn(Python<'_>, T) -> PyResult<Py<PyAny>>,
) -> PyResult<Py<PyAny>> {
    let items = items.into_iter().map(|item| f(py, item)).collect::<PyResult<Vec<_>>>()?;
    Ok(PyList::new(py, items)?.into_any().unbind())
}

pub(crate) fn object<'py, T: IntoPyObject<'py>>(py: Python<'py>, value: T) -> PyResult<Py<PyAny>>
where
    PyErr: From<T::Error>,
{
    use pyo3::BoundObject;
    Ok(value.into_pyobject(py)?.into_any().unbind())
}

/// The same for results: a function that fits any lifetime of the interpreter.
pub(crate) fn result<T>(py: Python<'_>, value: T) -> PyResult<Py<PyAny>>
where
    T: for<'py> IntoPyObjectExt<'py>,
{
    value.into_py_any(py)
}
