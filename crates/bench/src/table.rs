//! Plain text tables.

/// Aligns rows: the first and the last column to the left, the numbers between to the right. A column with
/// only empty cells is dropped.
pub(super) fn columns(rows: &[Vec<String>]) -> String {
    let count = rows.first().map_or(0, Vec::len);
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..count).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
            if *width == 0 {
                continue;
            }
            let left = column == 0 || column + 1 == count;
            line += &if left { format!("{cell:<width$}  ") } else { format!("{cell:>width$}  ") };
        }
        text += line.trim_end();
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_under_one_another() {
        let row = |cells: [&str; 4]| cells.map(str::to_owned).to_vec();
        let text = columns(&[row(["case", "ms", "", "what"]), row(["a", "12.5", "", "b"])]);
        assert_eq!(text, "case    ms  what\na     12.5  b\n");
    }
}
