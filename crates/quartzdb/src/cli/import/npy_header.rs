//! The header of a NumPy array file: a few fixed bytes, then a Python dictionary as text.
//!
//! `{'descr': '<f4', 'fortran_order': False, 'shape': (80000, 384), }`

use std::io::Read;

use anyhow::{Context, bail};

const MAGIC: &[u8] = b"\x93NUMPY";
const HEADER_BYTES: usize = 64 << 10;

/// What an array is made of.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::cli) struct Header {
    /// Type of the elements, e.g. `<f4`.
    pub(in crate::cli) descr: String,
    /// Stored by columns, not by rows.
    pub(in crate::cli) fortran_order: bool,
    pub(in crate::cli) shape: Vec<u64>,
}

impl Header {
    /// Reads the header and leaves the reader where the elements begin.
    pub(in crate::cli) fn read(mut reader: impl Read) -> anyhow::Result<Self> {
        let mut start = [0; 8];
        reader.read_exact(&mut start).context("it is too short")?;
        if !start.starts_with(MAGIC) {
            bail!("it does not begin as one");
        }
        let mut length = [0; 4];
        let length_bytes = if start[6] == 1 { 2 } else { 4 };
        reader
            .read_exact(&mut length[..length_bytes])
            .context("it ends in its header")?;
        let length = u32::from_le_bytes(length) as usize;
        if length > HEADER_BYTES {
            bail!("its header is {length} bytes long");
        }
        let mut text = vec![0; length];
        reader
            .read_exact(&mut text)
            .context("it ends in its header")?;
        let text = std::str::from_utf8(&text).context("its header is not text")?;
        parse(text).with_context(|| format!("its header is not one: {}", text.trim()))
    }
}

fn parse(text: &str) -> anyhow::Result<Header> {
    let descr = value(text, "descr")?;
    let descr = descr
        .strip_prefix(['\'', '"'])
        .and_then(|rest| rest.split(['\'', '"']).next())
        .context("its elements are structures: save the vectors as an array of their own")?;
    let fortran_order = match value(text, "fortran_order")? {
        order if order.starts_with("True") => true,
        order if order.starts_with("False") => false,
        _ => bail!("the order is neither True nor False"),
    };
    let shape = value(text, "shape")?
        .strip_prefix('(')
        .and_then(|rest| rest.split_once(')'))
        .context("the shape is not in parentheses")?;
    let sizes = shape.0.split(',').map(str::trim);
    let sizes = sizes.filter(|size| !size.is_empty()).map(str::parse);
    Ok(Header {
        descr: descr.to_owned(),
        fortran_order,
        shape: sizes.collect::<Result<_, _>>().context("in the shape")?,
    })
}

/// What stands behind a name.
fn value<'a>(text: &'a str, name: &str) -> anyhow::Result<&'a str> {
    let quoted = [format!("'{name}'"), format!("\"{name}\"")];
    let mut found = quoted.iter().filter_map(|name| text.split_once(name));
    let (_, rest) = found.next().with_context(|| format!("{name} is missing"))?;
    let rest = rest.trim_start().strip_prefix(':');
    Ok(rest
        .with_context(|| format!("{name} has no value"))?
        .trim_start())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(version: u8, text: &str) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend([version, 0]);
        let length = u32::try_from(text.len()).unwrap().to_le_bytes();
        bytes.extend(if version == 1 {
            &length[..2]
        } else {
            &length[..]
        });
        bytes.extend(text.as_bytes());
        bytes
    }

    fn header(text: &str) -> anyhow::Result<Header> {
        Header::read(bytes(1, text).as_slice())
    }

    #[test]
    fn headers_of_every_version_are_read() {
        let text = "{'descr': '<f2', 'fortran_order': False, 'shape': (80000, 384), }   \n";
        for version in 1..=3 {
            let mut file = bytes(version, text);
            file.push(7);
            let mut rest = file.as_slice();
            let header = Header::read(&mut rest).unwrap();
            assert_eq!(
                (header.descr.as_str(), header.fortran_order),
                ("<f2", false)
            );
            assert_eq!(header.shape, [80000, 384]);
            assert_eq!(rest, [7], "the elements come next");
        }
        let other = header("{\"shape\":(3,), \"fortran_order\" : True,'descr':'|i1'}").unwrap();
        assert_eq!((other.fortran_order, other.shape), (true, vec![3]));
        let scalar = header("{'descr': '<f8', 'fortran_order': False, 'shape': ()}").unwrap();
        assert!(scalar.shape.is_empty());
    }

    #[test]
    fn garbage_is_an_error() {
        let sound = "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 1), }";
        let file = bytes(1, sound);
        for end in 0..file.len() {
            assert!(Header::read(&file[..end]).is_err(), "cut at {end}");
        }
        for (part, instead) in [
            ("'<f4'", "[('a', '<f4')]"),
            ("False", "Maybe"),
            ("(1, 1)", "1, 1"),
            ("(1, 1)", "(-1, 1)"),
            ("(1, 1)", "(99999999999999999999, 1)"),
            ("descr", "dtype"),
            ("'shape':", "'shape'"),
        ] {
            assert!(header(&sound.replace(part, instead)).is_err(), "{instead}");
        }
        let mut huge = bytes(2, sound);
        huge[8..12].fill(0xff);
        assert!(Header::read(huge.as_slice()).is_err());
        // A cheap generator is enough: each byte takes some other values.
        let mut state = 1_u32;
        for place in 0..file.len() {
            for _ in 0..50 {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let mut file = file.clone();
                file[place] = (state >> 24) as u8;
                let _ = Header::read(file.as_slice());
            }
        }
    }
}
